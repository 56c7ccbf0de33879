// pacs/dimse_receiver: who may connect, and where, while a C-MOVE runs.

#include "pulmoseg/pacs/dimse_receiver.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "pulmoseg/volume/dcmtk_log.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "tiny_server.hpp"

namespace pulmoseg::pacs {
namespace {

using test::what_a_stranger_gets;

TEST(StorageReceiver, ListensOnOneAddressForOneHost) {
  volume::silence_dcmtk();
  const test::TemporaryFolder folder;
  Inbox inbox(folder.path(), {}, {});
  Server server = parse_address("dicom://X@127.0.0.1").server;
  const auto port = test::free_port();
  server.move = {.ae_title = "PULMOSEG", .port = port, .address = "127.0.0.1"};
  server.timeout = std::chrono::seconds(10);
  const auto caller = make_transport(server, Transport::Role::requestor);
  StorageReceiver receiver(server, inbox, *caller);
  EXPECT_EQ(receiver.address(), fmt::format("127.0.0.1:{}", port));
  EXPECT_EQ(what_a_stranger_gets("127.0.0.1", port, "127.0.0.3"), "nothing");
  EXPECT_EQ(what_a_stranger_gets("127.0.0.2", port, "127.0.0.1"), "refused");
  EXPECT_EQ(what_a_stranger_gets("127.0.0.1", port, "127.0.0.1"), "patience");
  EXPECT_CONTAINS(receiver.finish(), "127.0.0.3 wanted to send, which is not the server");
  EXPECT_EQ(what_a_stranger_gets("127.0.0.1", port, "127.0.0.1"), "refused");
}

}  // namespace
}  // namespace pulmoseg::pacs
