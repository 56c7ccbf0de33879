#include <ATen/ops/empty.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <exception>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/pickle.hpp"
#include "pulmoseg/model/weight_formats.hpp"

namespace pulmoseg::model {
namespace {

using pickle::Kind;
using pickle::Value;

struct StorageType {
  std::string_view name;  // of the class in Python's module torch
  at::ScalarType type;
};
constexpr std::array<StorageType, 10> storage_types{{{"FloatStorage", at::kFloat},
                                                     {"HalfStorage", at::kHalf},
                                                     {"BFloat16Storage", at::kBFloat16},
                                                     {"DoubleStorage", at::kDouble},
                                                     {"LongStorage", at::kLong},
                                                     {"IntStorage", at::kInt},
                                                     {"ShortStorage", at::kShort},
                                                     {"CharStorage", at::kChar},
                                                     {"ByteStorage", at::kByte},
                                                     {"BoolStorage", at::kBool}}};

constexpr std::string_view rebuild_tensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view rebuild_parameter = "torch._utils _rebuild_parameter";

const std::set<std::string_view>& allowed_functions() {
  static const std::set<std::string_view> functions{
      "collections OrderedDict", rebuild_tensor,        rebuild_parameter,   "torch FloatStorage", "torch HalfStorage",
      "torch BFloat16Storage",   "torch DoubleStorage", "torch LongStorage", "torch IntStorage",   "torch ShortStorage",
      "torch CharStorage",       "torch ByteStorage",   "torch BoolStorage"};
  return functions;
}

std::optional<at::ScalarType> type_of_storage(std::string_view function) {
  for (const auto& [name, type] : storage_types) {
    if (function.starts_with("torch ") && function.substr(6) == name) return type;
  }
  return std::nullopt;
}

/// A .pth file of the zip format: data.pkl says the names and shapes, data/KEY holds the bytes of a storage.
class PthFile {
 public:
  explicit PthFile(const std::filesystem::path& file)
      : file_(file.string()), file_size_(std::filesystem::file_size(file)), reader_(file_) {}

  StateDict read() {
    if (!reader_.hasRecord("data.pkl") || reader_.hasRecord("constants.pkl")) {
      fail("is no state_dict (a TorchScript archive?); save one with torch.save(model.state_dict(), …)");
    }
    if (reader_.hasRecord("byteorder") && record("byteorder") != "little")
      fail("was saved on a big-endian machine; not read");
    document_ = pickle::unpickle(record("data.pkl"), allowed_functions(), file_);
    const Value& dictionary = find_state_dict();
    StateDict state;
    for (std::size_t i = 0; i < dictionary.items.size(); i += 2) {
      const Value &key = document_[dictionary.items[i]], &value = document_[dictionary.items[i + 1]];
      if (key.kind == Kind::string && value.kind == Kind::call) state.emplace_back(key.text, tensor(value));
    }
    if (state.empty()) fail(fmt::format("holds no tensor but {}; expected a state_dict", describe_keys(dictionary)));
    return state;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { throw Error(fmt::format("{}: {}", file_, what)); }
  [[noreturn]] void fail_damaged(std::string_view what) const { fail(fmt::format("is damaged: {}", what)); }

  /// Sizes in a damaged or hostile file may be anything: together no more is read than the file is long.
  std::size_t size_of_record(const std::string& name) {
    const std::size_t size = reader_.getRecordSize(name);
    if (size > file_size_ - bytes_read_)
      fail_damaged(fmt::format("{} is said to have {} bytes, the file has {}", name, size, file_size_));
    bytes_read_ += size;
    return size;
  }

  std::string record(const std::string& name) {
    size_of_record(name);
    const auto [data, size] = reader_.getRecord(name);
    return {static_cast<const char*>(data.get()), size};
  }

  const Value& find_state_dict() const {
    const Value* found = &document_[document_.root];
    if (found->kind != Kind::dictionary) fail("holds no dictionary, expected a state_dict");
    for (int depth = 0; depth < 3; ++depth) {
      const Value* inner = nullptr;
      for (const std::string_view key : {"model", "state_dict", "model_state_dict"}) {
        if (!inner) inner = find_dictionary(*found, key);
      }
      if (!inner) break;
      found = inner;
    }
    return *found;
  }

  const Value* find_dictionary(const Value& dictionary, std::string_view wanted) const {
    for (std::size_t i = 0; i < dictionary.items.size(); i += 2) {
      const Value &key = document_[dictionary.items[i]], &value = document_[dictionary.items[i + 1]];
      if (key.kind == Kind::string && key.text == wanted && value.kind == Kind::dictionary) return &value;
    }
    return nullptr;
  }

  std::string describe_keys(const Value& dictionary) const {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < dictionary.items.size() && keys.size() < 5; i += 2) {
      const Value& key = document_[dictionary.items[i]];
      keys.push_back(key.kind == Kind::string ? key.text.substr(0, 40) : "a number");
    }
    return keys.empty() ? "nothing" : fmt::format("{}", fmt::join(keys, ", "));
  }

  const Value& item(const Value& parent, std::size_t index, Kind kind) const {
    if (index >= parent.items.size() || document_[parent.items[index]].kind != kind)
      fail_damaged("a tensor's description is no such");
    return document_[parent.items[index]];
  }

  at::Tensor tensor(const Value& call) {
    const Value& description = call.text == rebuild_parameter ? item(call, 0, Kind::call) : call;
    if (description.text != rebuild_tensor) fail_damaged("a tensor's description is no such");
    const at::Tensor storage = this->storage(item(description, 0, Kind::persistent));
    const std::int64_t offset = item(description, 1, Kind::integer).integer;
    const auto shape = integers(item(description, 2, Kind::tuple)),
               strides = integers(item(description, 3, Kind::tuple));
    check_view(storage.numel(), offset, shape, strides);
    return storage.as_strided(shape, strides, offset);
  }

  std::vector<std::int64_t> integers(const Value& tuple) const {
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < tuple.items.size(); ++i) values.push_back(item(tuple, i, Kind::integer).integer);
    return values;
  }

  /// A view must lie inside its storage and may not be larger (an expanded scalar could claim any size).
  void check_view(std::int64_t available, std::int64_t offset, const std::vector<std::int64_t>& shape,
                  const std::vector<std::int64_t>& strides) const {
    bool good = shape.size() == strides.size() && shape.size() <= 16 && offset >= 0;
    std::int64_t count = 1, last = offset;
    for (std::size_t i = 0; good && i < shape.size(); ++i) {
      std::int64_t reach = 0;
      good = shape[i] >= 0 && strides[i] >= 0 && !__builtin_mul_overflow(count, shape[i], &count) &&
             !__builtin_mul_overflow(std::max<std::int64_t>(shape[i] - 1, 0), strides[i], &reach) &&
             !__builtin_add_overflow(last, reach, &last);
    }
    if (!good || count > available || (count > 0 && last >= available)) {
      fail_damaged(fmt::format("a tensor of shape ({}) lies outside of its {} stored values", fmt::join(shape, ", "),
                               available));
    }
  }

  /// ('storage', torch.FloatStorage, key, device, count) as a one-dimensional tensor, on the CPU wherever it once was.
  at::Tensor storage(const Value& persistent) {
    const Value& identifier = item(persistent, 0, Kind::tuple);
    const auto type = type_of_storage(item(identifier, 1, Kind::function).text);
    const std::string& key = item(identifier, 2, Kind::string).text;
    const std::int64_t count = item(identifier, 4, Kind::integer).integer;
    if (item(identifier, 0, Kind::string).text != "storage" || !type) fail_damaged("a tensor's storage is no such");
    const auto [found, is_new] = storages_.try_emplace(key);
    if (is_new) found->second = read_storage(key, *type, count);
    if (found->second.scalar_type() != *type || found->second.numel() != count) {
      fail_damaged(fmt::format("storage {} has two descriptions", key));
    }
    return found->second;
  }

  at::Tensor read_storage(const std::string& key, at::ScalarType type, std::int64_t count) {
    const std::string name = "data/" + key;
    if (!reader_.hasRecord(name)) fail_damaged(fmt::format("{} is missing", name));
    const std::size_t size = size_of_record(name);
    const std::size_t item_size = c10::elementSize(type);
    if (count < 0 || size % item_size != 0 || size / item_size != static_cast<std::size_t>(count)) {
      fail_damaged(fmt::format("{} has {} bytes, expected {} values of {} bytes", name, size, count, item_size));
    }
    at::Tensor values = at::empty({count}, type);
    if (size > 0) reader_.getRecord(name, values.mutable_data_ptr(), size);
    return values;
  }

  std::string file_;
  std::size_t file_size_, bytes_read_ = 0;
  caffe2::serialize::PyTorchStreamReader reader_;
  pickle::Document document_;
  std::map<std::string, at::Tensor> storages_;
};

/// What a file that is no zip archive is, for the message.
std::string describe_other(const std::filesystem::path& file) {
  std::array<char, 512> start{};
  std::ifstream(file, std::ios::binary).read(start.data(), start.size());
  const bool pickle = start[0] == '\x80', tar = std::string_view(&start[257], 5) == "ustar";
  if (pickle || tar) {
    return "is in PyTorch's legacy format; save it again with PyTorch 1.6 or later: torch.save(torch.load(FILE), FILE)";
  }
  return "is no PyTorch weights file, expected one written by torch.save";
}

bool is_zip(const std::filesystem::path& file) {
  std::array<char, 4> start{};
  std::ifstream(file, std::ios::binary).read(start.data(), start.size());
  return std::string_view(start.data(), 4) == "PK\x03\x04";
}

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

/// A call that rebuilds a dense tensor on storage data/KEY, as torch.save pickles it.
void pickle_tensor(pickle::Writer& writer, const at::Tensor& tensor, const std::string& key) {
  const auto type = std::ranges::find(storage_types, tensor.scalar_type(), &StorageType::type);
  writer.function("torch._utils", "_rebuild_tensor_v2");
  writer.mark();
  writer.mark();
  writer.string("storage");
  writer.function("torch", type->name);
  writer.string(key);
  writer.string("cpu");
  writer.integer(tensor.numel());
  writer.tuple();
  writer.persistent();
  writer.integer(0);
  for (const at::IntArrayRef numbers : {tensor.sizes(), tensor.strides()}) {
    writer.mark();
    for (const std::int64_t number : numbers) writer.integer(number);
    writer.tuple();
  }
  writer.boolean(false);
  writer.function("collections", "OrderedDict");
  writer.empty_tuple();
  writer.call();
  writer.tuple();
  writer.call();
}

std::string pickle_state(const StateDict& state) {
  pickle::Writer writer;
  writer.function("collections", "OrderedDict");
  writer.empty_tuple();
  writer.call();
  writer.mark();
  for (std::size_t i = 0; i < state.size(); ++i) {
    writer.string(state[i].first);
    pickle_tensor(writer, state[i].second, std::to_string(i));
  }
  writer.set_items();
  return writer.finish();
}

/// Dense, on the CPU, without gradients.
StateDict plain(const StateDict& state, const std::filesystem::path& file) {
  StateDict result;
  for (const auto& [name, tensor] : state) {
    if (std::ranges::find(storage_types, tensor.scalar_type(), &StorageType::type) == storage_types.end()) {
      throw Error(fmt::format("{}: {} has the number format {}, which is not written", file.string(), name,
                              c10::toString(tensor.scalar_type())));
    }
    result.emplace_back(name, tensor.detach().cpu().contiguous());
  }
  return result;
}

}  // namespace

StateDict read_pth(const std::filesystem::path& file) {
  if (!is_zip(file)) throw Error(fmt::format("{}: {}", file.string(), describe_other(file)));
  try {
    return PthFile(file).read();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw Error(fmt::format("{}: is damaged: {}", file.string(), first_line(error.what_without_backtrace())));
  } catch (const std::logic_error& error) {  // LibTorch's own reading of the version number
    throw Error(fmt::format("{}: is damaged: {}", file.string(), error.what()));
  }
}

void write_pth(const StateDict& state, const std::filesystem::path& file) {
  const StateDict tensors = plain(state, file);
  OutputFile output(file);
  std::exception_ptr failure;  // the zip writer is C code: no exception may pass through it
  const auto write = [&](const void* bytes, std::size_t size) -> std::size_t {
    try {
      if (!failure) output.write(std::string_view(static_cast<const char*>(bytes), size));
    } catch (...) {
      failure = std::current_exception();
    }
    return size;
  };
  {
    caffe2::serialize::PyTorchStreamWriter writer(write);
    const std::string description = pickle_state(tensors);
    writer.writeRecord("data.pkl", description.data(), description.size());
    writer.writeRecord("byteorder", "little", 6);
    for (std::size_t i = 0; i < tensors.size() && !failure; ++i) {
      const at::Tensor& tensor = tensors[i].second;
      writer.writeRecord("data/" + std::to_string(i), tensor.const_data_ptr(), tensor.nbytes());
    }
    writer.writeEndOfFile();
  }
  if (failure) std::rethrow_exception(failure);
  output.commit();
}

}  // namespace pulmoseg::model
