#include "pulmoseg/training/process_group.hpp"

#include <c10/util/Flags.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <sys/socket.h>
#include <torch/csrc/autograd/custom_function.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/training/device.hpp"
#include "pulmoseg/training/heartbeat.hpp"
#include "pulmoseg/training/nccl.hpp"

C10_DECLARE_int(caffe2_log_level);

namespace pulmoseg::training {
namespace {

using namespace std::chrono_literals;

constexpr auto time_to_meet = 5min;
constexpr auto no_limit = std::chrono::milliseconds(20 * 24h);  // as much as poll() can take

std::string first_line(const std::exception& error) {
  const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string words = from_torch ? from_torch->what_without_backtrace() : error.what();
  return words.substr(0, words.find('\n'));
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string numeric(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> text{};
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  return ::getnameinfo(any, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0 ? text.data() : "";
}

/// The two ends of the way to another machine, as numbers; empty where there is none.
struct Way {
  std::string here, there;
};

/// Asks the system's routes; a UDP socket sends nothing when it is connected.
Way way_to(const std::string& host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  Way way;
  for (const addrinfo* entry = found; entry && way.here.empty(); entry = entry->ai_next) {
    const int socket = ::socket(entry->ai_family, SOCK_DGRAM, 0);
    sockaddr_storage here{}, there{};
    socklen_t here_size = sizeof here, there_size = sizeof there;
    if (socket >= 0 && ::connect(socket, entry->ai_addr, entry->ai_addrlen) == 0 &&
        ::getsockname(socket, reinterpret_cast<sockaddr*>(&here), &here_size) == 0 &&
        ::getpeername(socket, reinterpret_cast<sockaddr*>(&there), &there_size) == 0) {
      way = {.here = numeric(here, here_size), .there = numeric(there, there_size)};
    }
    if (socket >= 0) ::close(socket);
  }
  ::freeaddrinfo(found);
  return way;
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

bool keeps_the_store(const RankPlace& place) { return place.rank == 0 && !place.launcher_keeps_store; }

c10::intrusive_ptr<c10d::Store> connect(const RankPlace& place, bool as_keeper) {
  const std::string meeting_point = fmt::format("{}:{}", place.master_address, place.master_port);
  try {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(place.master_port);
    options.isServer = as_keeper;
    options.waitWorkers = false;
    options.timeout = time_to_meet;
    auto store = c10::make_intrusive<c10d::TCPStore>(place.master_address, options);
    return c10::make_intrusive<c10d::PrefixStore>("pulmoseg " + place.store_prefix, std::move(store));
  } catch (const std::exception& error) {
    if (as_keeper) {
      throw Error(
          fmt::format("rank 0 cannot keep the ranks' store at {}; set MASTER_PORT to a free port of this machine: {}",
                      meeting_point, first_line(error)));
    }
    throw Error(
        fmt::format("rank {} of {} cannot reach rank 0 at {}; see MASTER_ADDR, MASTER_PORT and the firewall: {}",
                    place.rank, place.ranks, meeting_point, first_line(error)));
  }
}

/// What every rank tells the others about itself, by key.
std::vector<std::string> exchange(c10d::Store& store, const RankPlace& place, const std::string& what,
                                  const std::string& value) {
  std::vector<std::string> keys, values;
  for (int rank = 0; rank < place.ranks; ++rank) keys.push_back(fmt::format("{} {}", what, rank));
  store.set(keys[static_cast<std::size_t>(place.rank)], value);
  try {
    store.wait(keys);
  } catch (const c10::Error&) {
    std::vector<int> missing;
    for (int rank = 0; rank < place.ranks; ++rank) {
      if (!store.check({keys[static_cast<std::size_t>(rank)]})) missing.push_back(rank);
    }
    throw Error(fmt::format("rank {} of {} waited {} s in vain for rank {} at {}:{}; see the messages of that one",
                            place.rank, place.ranks, std::chrono::seconds(time_to_meet).count(),
                            fmt::join(missing, ", "), place.master_address, place.master_port));
  }
  for (const auto& key : keys) values.push_back(store.get_to_str(key));
  return values;
}

/// The network devices that GLOO_SOCKET_IFNAME names, or the one that leads to the other ranks.
std::vector<std::shared_ptr<gloo::transport::Device>> devices(c10d::Store& store, const RankPlace& place) {
  std::vector<std::shared_ptr<gloo::transport::Device>> devices;
  const Way way = way_to(place.master_address, place.master_port);
  const auto reached = exchange(store, place, "address of rank 0", way.there);
  if (const char* names = std::getenv("GLOO_SOCKET_IFNAME")) {
    std::istringstream list(names);
    for (std::string name; std::getline(list, name, ',');)
      devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(name));
    return devices;
  }
  // On rank 0's machine its name often means 127.0.1.1; the others know by which address they reach it.
  const auto from_outside = std::ranges::find_if_not(reached, is_loopback);
  const bool at_home = way.here.empty() || is_loopback(way.here);
  const std::string address = !at_home ? way.here : from_outside == reached.end() ? "127.0.0.1" : *from_outside;
  return {c10d::ProcessGroupGloo::createDeviceForHostname(address)};
}

c10::intrusive_ptr<c10d::ProcessGroup> gloo_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                  const RankPlace& place) {
  auto options = c10d::ProcessGroupGloo::Options::create(no_limit);
  options->devices = devices(*store, place);
  auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store),
                                                             place.rank, place.ranks, options);
  auto group = c10::make_intrusive<c10d::ProcessGroup>(store, place.rank, place.ranks);
  group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, backend);
  return group;
}

/// Each rank's part enters the total once, and the ranks' gradients are averaged, not added: hence the factor on the way back.
struct Total : torch::autograd::Function<Total> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& part,
                               const ProcessGroup* group) {
    context->saved_data["ranks"] = group->ranks();
    torch::Tensor total = part.clone();
    group->sum(total);
    return total;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    return {gradients[0] * context->saved_data["ranks"].toInt(), {}};
  }
};

}  // namespace

struct ProcessGroup::Connections {
  c10::intrusive_ptr<c10d::Store> store;
  std::vector<std::string> hosts, cores;  // by rank
  std::unique_ptr<Heartbeat> heartbeat;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::unique_ptr<c10d::Reducer> reducer;
  std::int64_t texts = 0;
};

ProcessGroup::ProcessGroup(const RankPlace& place) : place_(place) {
  if (place.ranks > 1) join();
}

ProcessGroup::~ProcessGroup() = default;

void ProcessGroup::join() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = 3;  // c10d prints a screen for a lost connection
  connections_ = std::make_unique<Connections>();
  auto& store = connections_->store = connect(place_, keeps_the_store(place_));
  auto own_connection = connect(place_, false);
  if (store->add(Heartbeat::beat_key(rank()), 1) != 1) {
    throw Error(fmt::format("another training already has a rank {} at {}:{}; set MASTER_PORT to another port", rank(),
                            place_.master_address, place_.master_port));
  }
  connections_->hosts = exchange(*store, place_, "host", host_name());
  connections_->cores = exchange(*store, place_, "cores", host_name() + " " + own_cores());
  connections_->heartbeat = std::make_unique<Heartbeat>(place_, connections_->hosts, std::move(own_connection));
  try {
    store->setTimeout(no_limit);
    connections_->group = gloo_group(store, place_);
  } catch (const std::exception& error) {
    connections_->heartbeat->fail(first_line(error), /*may_be_echo=*/true, /*exit_code=*/1);
  }
}

void ProcessGroup::join_gpus() {
  if (!connections_) return;
  ::setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0",
           0);  // would end this process before the heartbeat names the dead rank
  void* library = ::dlopen("libpulmoseg_nccl.so", RTLD_NOW);
  void* function = library ? ::dlsym(library, "pulmoseg_nccl_backend") : nullptr;
  if (!function) {
    throw Error(fmt::format(
        "--device cuda: several ranks need NCCL, which this build lacks ({}); build it with the CUDA build of "
        "the torch wheel, or start one process",
        ::dlerror()));
  }
  const auto make = reinterpret_cast<decltype(&pulmoseg_nccl_backend)>(function);
  auto store = c10::make_intrusive<c10d::PrefixStore>("nccl", connections_->store);
  connections_->group->setBackend(
      c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL,
      c10::intrusive_ptr<c10d::Backend>::reclaim(make(std::move(store), rank(), ranks(), no_limit)));
}

int ProcessGroup::ranks_with_my(const std::vector<std::string>& things) const {
  return static_cast<int>(std::ranges::count(things, things[static_cast<std::size_t>(rank())]));
}

int ProcessGroup::ranks_here() const { return connections_ ? ranks_with_my(connections_->hosts) : 1; }

int ProcessGroup::ranks_on_these_cores() const { return connections_ ? ranks_with_my(connections_->cores) : 1; }

void ProcessGroup::run(const std::function<void()>& work) {
  if (!connections_) return work();
  try {
    work();
    finish();
  } catch (const Interrupted&) {
    finish();
    throw;
  } catch (const UsageError& error) {
    connections_->heartbeat->fail(error.what(), /*may_be_echo=*/false, /*exit_code=*/2);
  } catch (const std::bad_alloc&) {
    connections_->heartbeat->fail("not enough memory", /*may_be_echo=*/false, /*exit_code=*/1);
  } catch (const std::exception& error) {
    connections_->heartbeat->fail(first_line(error), /*may_be_echo=*/true, /*exit_code=*/1);
  }
}

/// Nobody leaves while another still needs its connections; who keeps the store leaves last.
void ProcessGroup::finish() {
  auto& store = *connections_->store;
  exchange(store, place_, "done", "");
  connections_->group->shutdown();
  if (!keeps_the_store(place_)) {
    connections_->heartbeat.reset();
    return store.set(Heartbeat::left_key(rank()), std::string());
  }
  std::vector<std::string> others;
  for (int other = 1; other < ranks(); ++other) others.push_back(Heartbeat::left_key(other));
  store.wait(others);
  connections_->heartbeat.reset();
}

void ProcessGroup::sum(torch::Tensor& tensor) const {
  if (!connections_) return;
  std::vector<torch::Tensor> tensors{tensor};
  connections_->group->allreduce(tensors)->wait();
}

double ProcessGroup::sum(double value) const {
  if (!connections_) return value;
  torch::Tensor values = torch::full({1}, value, torch::kFloat64);
  sum(values);
  return values.item<double>();
}

void ProcessGroup::broadcast(const torch::Tensor& tensor) const {
  if (!connections_) return;
  const torch::NoGradGuard no_gradients;
  std::vector<torch::Tensor> values{tensor.detach().clone(torch::MemoryFormat::Contiguous)};
  connections_->group->broadcast(values)->wait();
  tensor.detach().copy_(values[0]);
}

std::string ProcessGroup::broadcast(const std::string& text) {
  if (!connections_) return text;
  const std::string key = fmt::format("text {}", ++connections_->texts);
  if (is_first()) connections_->store->set(key, text);
  return is_first() ? text : connections_->store->get_to_str(key);
}

/// Buckets are filled from the last layers on, whose gradients come first. c10d would note the order in which it sees them in
/// each step until it is told to form the buckets anew by it; then a resumed run would add in another order than one that was not
/// interrupted. So it is told to do so at once, in the order that it has.
void ProcessGroup::average_gradients_of(const std::vector<torch::Tensor>& parameters) {
  if (!connections_) return;
  for (const auto& parameter : parameters) broadcast(parameter);
  const std::vector<torch::Tensor> last_first(parameters.rbegin(), parameters.rend());
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      last_first, {c10d::kDefaultFirstBucketBytes, c10d::kDefaultBucketBytesCap});
  connections_->reducer = std::make_unique<c10d::Reducer>(
      last_first, std::move(buckets), connections_->group, std::vector<bool>(last_first.size(), false),
      c10d::kDefaultBucketBytesCap, /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
      /*param_names=*/std::unordered_map<std::size_t, std::string>{}, c10d::kDefaultFirstBucketBytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      /*bucket_bytes_cap_list=*/std::vector<std::int64_t>{});
  connections_->reducer->push_rebuilt_params_for_all_indices();
  connections_->reducer->rebuild_buckets();
}

torch::Tensor ProcessGroup::total(const torch::Tensor& part) const {
  return connections_ ? Total::apply(part, this) : part;
}

void ProcessGroup::backward(const torch::Tensor& loss) {
  if (connections_) connections_->reducer->prepare_for_backward({loss});
  loss.backward();
}

}  // namespace pulmoseg::training
