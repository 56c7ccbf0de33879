// Files of weights: what PyTorch and safetensors write (tests/oracle/model.py), what we write, and damaged or hostile
// files.

#include "pulmoseg/model/weights.hpp"

#include <sys/stat.h>
#include <torch/types.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/pickle.hpp"
#include "support/data.hpp"

namespace pulmoseg::model {
namespace {

std::filesystem::path file(const std::string& name) { return test::repository_file("tests/data/model/" + name); }

StateDict read(const std::string& name) { return read_weights(file(name)); }

/// The one line with which reading fails, without the file's name.
std::string error_of(const std::filesystem::path& path) {
  try {
    read_weights(path);
  } catch (const Error& error) {
    const std::string line = error.what(), start = path.string() + ": ";
    EXPECT_TRUE(line.starts_with(start)) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    return line.substr(start.size());
  }
  return "was read";
}

std::string error_of_golden(const std::string& name) { return error_of(file(name)); }

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in \"" << text << '"';
}

void expect_equal(const StateDict& found, const StateDict& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].first, expected[i].first);
    EXPECT_EQ(found[i].second.scalar_type(), expected[i].second.scalar_type()) << found[i].first;
    EXPECT_TRUE(torch::equal(found[i].second, expected[i].second)) << found[i].first;
  }
}

StateDict small_state() {
  return {{"layer.weight", torch::arange(6, torch::kFloat).view({2, 3}) / 2},
          {"layer.bias", -torch::arange(2, torch::kFloat)}};
}

/// 0, 1, 1.5 and 100, as the format has them, one tensor a format.
StateDict formats(const StateDict& names) {
  StateDict expected;
  for (const auto& [name, tensor] : names) {
    expected.emplace_back(name, torch::tensor({0.0F, 1.0F, 1.5F, 100.0F}).to(tensor.scalar_type()));
  }
  return expected;
}

class PlainStates : public testing::TestWithParam<const char*> {};

TEST_P(PlainStates, AreRead) { expect_equal(read(GetParam()), small_state()); }

INSTANTIATE_TEST_SUITE_P(Pth, PlainStates,
                         testing::Values("plain_dict.pth", "ordered_dict.pth", "checkpoint_model.pth",
                                         "checkpoint_state_dict.pth", "checkpoint_model_state_dict.pth", "parallel.pth",
                                         "parallel_compiled.pth", "parameters.pth"));

TEST(Pth, ReadsTheStateOfAModuleWithItsMetadata) {
  const StateDict state = read("module_state.pth");
  ASSERT_EQ(state.size(), 7U);
  EXPECT_EQ(state[0].first, "0.weight");
  EXPECT_TRUE(torch::equal(state[0].second, torch::tensor({1.0F, 2.0F}).view({2, 1, 1, 1})));
  EXPECT_EQ(state[6].first, "1.num_batches_tracked");
  EXPECT_EQ(state[6].second.scalar_type(), torch::kLong);
  EXPECT_EQ(state[6].second.dim(), 0);
}

TEST(Pth, ReadsEveryNumberFormat) {
  const StateDict state = read("formats.pth");
  std::set<torch::ScalarType> types;
  for (const auto& [name, tensor] : state) types.insert(tensor.scalar_type());
  EXPECT_EQ(types.size(), 9U);
  expect_equal(state, formats(state));
}

TEST(Pth, ReadsViewsAndKeepsSharedStorages) {
  const StateDict state = read("views.pth");
  const torch::Tensor numbers = torch::arange(24, torch::kFloat);
  expect_equal(state, {{"transposed", numbers.view({4, 6}).t()},
                       {"every_second", numbers.slice(0, 1, 24, 2)},
                       {"tail", numbers.slice(0, 20)},
                       {"channels_last", numbers.view({1, 2, 3, 4})},
                       {"scalar", torch::tensor(2.5F)},
                       {"empty", torch::zeros({0, 3})}});
  EXPECT_TRUE(state[0].second.is_alias_of(state[1].second));
  EXPECT_FALSE(state[0].second.is_alias_of(state[3].second));
}

TEST(Pth, NeverRunsCode) {
  const auto here = std::filesystem::current_path();
  expect_contains(error_of_golden("runs_os_system.pth"), ".system\"");
  expect_contains(error_of_golden("runs_os_system.pth"), "nothing was run");
  expect_contains(error_of_golden("runs_eval.pth"), "eval\"");
  expect_contains(error_of_golden("whole_module.pth"), "Sequential\"");
  EXPECT_FALSE(std::filesystem::exists(here / "pulmoseg_was_here"));
}

TEST(Pth, RefusesWhatIsNoStateDictInOneLine) {
  expect_contains(error_of_golden("legacy.pth"), "legacy format; save it again with PyTorch 1.6 or later");
  expect_contains(error_of_golden("tensor.pth"), "holds no dictionary");
  expect_contains(error_of_golden("no_tensor.pth"), "holds no tensor but epoch, name");
  expect_contains(error_of_golden("protocol_4.pth"), "pickle protocol 4");
  expect_contains(error_of_golden("code.pt"), "TorchScript");
  expect_contains(error_of_golden("big_endian.pth"), "big-endian");
  expect_contains(error_of_golden("expanded.pth"), "lies outside of its 1 stored values");
  expect_contains(error_of_golden("storage_missing.pth"), "data/1 is missing");
  expect_contains(error_of_golden("storage_short.pth"), "data/1 has 4 bytes, expected 2 values of 4 bytes");

  const test::TemporaryFolder folder;
  expect_contains(error_of(folder / "none.pth"), "there is no such file");
  expect_contains(error_of(folder.path()), "is a folder");
  write_file(folder / "empty.pth", "");
  expect_contains(error_of(folder / "empty.pth"), "is empty");
  write_file(folder / "text.pth", "hello");
  expect_contains(error_of(folder / "text.pth"), "is no PyTorch weights file");
}

TEST(ReadWeights, SaysWhyAFileCannotBeOpened) {
  const test::TemporaryFolder folder;
  for (const char* name : {"pipe.safetensors", "pipe.pth"}) {
    ASSERT_EQ(::mkfifo((folder / name).c_str(), 0600), 0);
    expect_contains(error_of(folder / name), "is no file, expected a file of weights");
  }
  if (::geteuid() == 0) return;  // root opens everything
  write_file(folder / "secret.pth", "hello");
  std::filesystem::permissions(folder / "secret.pth", std::filesystem::perms::none);
  expect_contains(error_of(folder / "secret.pth"), "cannot be read: Permission denied");
}

TEST(Pth, WritesWhatItReads) {
  const test::TemporaryFolder folder;
  for (const char* name : {"formats.pth", "views.pth", "module_state.pth"}) {
    const StateDict state = read(name);
    write_weights(state, folder / "Gewichte ü.pth");
    expect_equal(read_weights(folder / "Gewichte ü.pth"), state);
  }
}

TEST(Pth, SameStateGivesSameBytes) {
  const test::TemporaryFolder folder;
  write_weights(small_state(), folder / "a.pth");
  write_weights(small_state(), folder / "b.pth");
  EXPECT_EQ(read_file(folder / "a.pth"), read_file(folder / "b.pth"));
}

TEST(Pth, WritingToAFullOrMissingPlaceLeavesNothing) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(write_weights(small_state(), folder / "missing" / "a.pth"), Error);
  EXPECT_THROW(write_weights(small_state(), folder / "a.bin"), UsageError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

/// Every truncation, and every byte changed in several ways: an Error or a state, never a crash.
void try_damaged_copies(const std::string& name, const std::string& suffix) {
  const test::TemporaryFolder folder;
  const auto damaged = folder / ("damaged" + suffix);
  const std::string whole = read_file(file(name));
  std::size_t refused = 0, tries = 0;
  const auto attempt = [&](const std::string& bytes) {
    std::ofstream(damaged, std::ios::binary) << bytes;
    ++tries;
    refused += error_of(damaged) != "was read";
  };
  for (std::size_t length = 0; length < whole.size(); length += 3) attempt(whole.substr(0, length));
  EXPECT_EQ(refused, tries);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      attempt(bytes);
    }
  }
  EXPECT_GT(refused, whole.size() / 3);
}

TEST(Damaged, PthIsAnErrorNeverACrash) { try_damaged_copies("ordered_dict.pth", ".pth"); }
TEST(Damaged, SafetensorsIsAnErrorNeverACrash) { try_damaged_copies("small.safetensors", ".safetensors"); }

TEST(Pickle, RandomOpcodesAreAnErrorNeverACrash) {
  const std::set<std::string_view> functions{"collections OrderedDict", "torch FloatStorage"};
  const std::string alphabet = "\x80\x02.(cRbQqrhjNJKMGX)t]aes}u\x85\x86\x87\x88\x89\x8a\x01";
  std::mt19937 random(1);
  int read = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes(1 + random() % 40, '\0');
    for (char& byte : bytes)
      byte = random() % 8 ? alphabet[random() % alphabet.size()] : static_cast<char>(random() % 256);
    try {
      pickle::unpickle(bytes, functions, "random");
      ++read;
    } catch (const Error&) {  // as it should be
    }
  }
  EXPECT_GT(read, 0);
}

TEST(Pickle, DeepNestingAndLoopsDoNoHarm) {
  std::string deep = ")";
  deep.append(1'000'000, '\x85');
  EXPECT_EQ(pickle::unpickle(deep + '.', {}, "deep").values.size(), 1'000'001U);
  const auto loop = pickle::unpickle(std::string("]q\x00h\x00"
                                                 "a.",
                                                 7),
                                     {}, "a list in itself");
  EXPECT_EQ(loop[loop.root].items.front(), loop.root);
}

TEST(Pickle, WritesIntegersOfEverySize) {
  pickle::Writer writer;
  const std::vector<std::int64_t> numbers{0,         -1,       255, 65536, -2147483648LL, 2147483648LL, -2147483649LL,
                                          INT64_MAX, INT64_MIN};
  writer.mark();
  for (const std::int64_t number : numbers) writer.integer(number);
  writer.tuple();
  const auto document = pickle::unpickle(writer.finish(), {}, "numbers");
  ASSERT_EQ(document[document.root].items.size(), numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i)
    EXPECT_EQ(document[document[document.root].items[i]].integer, numbers[i]);
}

TEST(Safetensors, ReadsWhatTheReferenceWrites) {
  StateDict state = read("small.safetensors");
  ASSERT_EQ(state.size(), 2U);
  expect_equal({{"layer.weight", *find(state, "layer.weight")}, {"layer.bias", *find(state, "layer.bias")}},
               small_state());

  state = read("formats.safetensors");
  EXPECT_TRUE(torch::equal(*find(state, "scalar"), torch::tensor(2.5F)));
  EXPECT_EQ(find(state, "empty")->sizes().vec(), (std::vector<std::int64_t>{0, 3}));
  std::erase_if(state, [](const auto& entry) { return entry.first == "scalar" || entry.first == "empty"; });
  EXPECT_EQ(state.size(), 10U);
  expect_equal(state, formats(state));
}

TEST(Safetensors, WritesWhatItReads) {
  const test::TemporaryFolder folder;
  write_weights(read("formats.pth"), folder / "a.safetensors");
  const StateDict found = read_weights(folder / "a.safetensors");
  for (const auto& [name, tensor] : read("formats.pth")) EXPECT_TRUE(torch::equal(*find(found, name), tensor)) << name;
}

std::string error_of_header(const std::string& header, const std::string& data) {
  const test::TemporaryFolder folder;
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  write_file(folder / "a.safetensors", bytes + header + data);
  return error_of(folder / "a.safetensors");
}

TEST(Safetensors, ChecksItsHeader) {
  const auto entry = [](const std::string& name, const std::string& shape, const std::string& offsets) {
    return '"' + name + R"(":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + '}';
  };
  const std::string eight(8, 'x');
  EXPECT_EQ(error_of_header('{' + entry("a", "[2]", "[0,8]") + '}', eight), "was read");
  expect_contains(error_of_header('{' + entry("a", "[3]", "[0,8]") + '}', eight), "does not fit");
  expect_contains(error_of_header('{' + entry("a", "[2]", "[4,12]") + '}', eight), "does not fit");
  expect_contains(error_of_header('{' + entry("a", "[2]", "[8,0]") + '}', eight), "does not fit");
  expect_contains(error_of_header('{' + entry("a", "[4611686018427387904,4]", "[0,0]") + '}', ""), "does not fit");
  expect_contains(error_of_header('{' + entry("a", "[-2]", "[0,8]") + '}', eight), "no list of counts");
  expect_contains(error_of_header('{' + entry("a", "[1]", "[0,4]") + '}', eight), "has 8 bytes of tensors, expected 4");
  expect_contains(error_of_header('{' + entry("a", "[2]", "[0,8]") + ',' + entry("b", "[1]", "[4,8]") + '}', eight),
                  "begins at");
  expect_contains(error_of_header('{' + entry("a", "[1]", "[0,4]") + ',' + entry("a", "[1]", "[4,8]") + '}', eight),
                  "two tensors");
  expect_contains(error_of_header(R"({"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", eight), "F8_E4M3");
  expect_contains(error_of_header("{}", ""), "holds no tensor");
  expect_contains(error_of_header("[1]", ""), "no JSON object");
  expect_contains(error_of_header("{\"a\":", ""), "damaged");
}

}  // namespace
}  // namespace pulmoseg::model
