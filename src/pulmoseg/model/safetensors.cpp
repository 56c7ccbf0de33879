#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/model/weight_formats.hpp"

namespace pulmoseg::model {
namespace {

using nlohmann::ordered_json;

struct NumberFormat {
  std::string_view name;
  at::ScalarType type;
};
constexpr std::array<NumberFormat, 10> number_formats{{{"F32", at::kFloat},
                                                       {"F16", at::kHalf},
                                                       {"BF16", at::kBFloat16},
                                                       {"F64", at::kDouble},
                                                       {"I64", at::kLong},
                                                       {"I32", at::kInt},
                                                       {"I16", at::kShort},
                                                       {"I8", at::kChar},
                                                       {"U8", at::kByte},
                                                       {"BOOL", at::kBool}}};
constexpr std::uint64_t longest_header = 100'000'000;  // the reference implementation's own bound

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;  // bytes after the header
};

/// Eight bytes with the header's length, a JSON header, then the tensors' bytes without gaps.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& file)
      : file_(file.string()), size_(std::filesystem::file_size(file)), stream_(file, std::ios::binary) {
    if (!stream_) fail(fmt::format("cannot be read: {}", std::strerror(errno)));
  }

  StateDict read() {
    std::vector<Entry> entries = read_header();
    check_layout(entries);
    StateDict state;
    for (const Entry& entry : entries) {
      at::Tensor tensor = at::empty(entry.shape, entry.type);
      stream_.seekg(static_cast<std::streamoff>(data_start_ + entry.begin));
      read_bytes(tensor.mutable_data_ptr(), tensor.nbytes());
      state.emplace_back(entry.name, std::move(tensor));
    }
    return state;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { throw Error(fmt::format("{}: {}", file_, what)); }

  void read_bytes(void* target, std::size_t count) {
    errno = 0;  // the end of the file sets none
    stream_.read(static_cast<char*>(target), static_cast<std::streamsize>(count));
    if (!stream_) {
      fail(fmt::format("cannot be read: {}", errno != 0 ? std::strerror(errno) : "it became shorter; copy it again"));
    }
  }

  std::vector<Entry> read_header() {
    std::array<unsigned char, 8> bytes{};
    if (size_ < bytes.size()) fail("is no safetensors file (shorter than 8 bytes)");
    read_bytes(bytes.data(), bytes.size());
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) length |= std::uint64_t{bytes[i]} << (8 * i);
    if (length > longest_header || length > size_ - bytes.size()) {
      fail(fmt::format("is no safetensors file or cut off (a header of {} bytes in a file of {})", length, size_));
    }
    data_start_ = bytes.size() + length;
    std::string text(length, '\0');
    read_bytes(text.data(), length);
    return parse_header(text);
  }

  std::vector<Entry> parse_header(const std::string& text) const {
    std::set<std::string> names;
    const auto refuse_twins = [&](int depth, ordered_json::parse_event_t event, ordered_json& value) {
      if (event == ordered_json::parse_event_t::key && depth == 1 && !names.insert(value.get<std::string>()).second) {
        fail(fmt::format("holds two tensors named {}", value.get<std::string>()));
      }
      return true;
    };
    std::vector<Entry> entries;
    try {
      const ordered_json header = ordered_json::parse(text, refuse_twins);
      if (!header.is_object()) fail("its header is no JSON object");
      for (const auto& [name, description] : header.items()) {
        if (name != "__metadata__") entries.push_back(parse_entry(name, description));
      }
    } catch (const ordered_json::exception& error) {
      fail(fmt::format("its header is damaged: {}", error.what()));
    }
    return entries;
  }

  Entry parse_entry(const std::string& name, const ordered_json& description) const {
    const auto format = description.at("dtype").get<std::string>();
    const auto found = std::ranges::find(number_formats, std::string_view(format), &NumberFormat::name);
    if (found == number_formats.end())
      fail(fmt::format("{} has the number format {}, which is not read", name, format));
    const auto& offsets = description.at("data_offsets");
    if (offsets.size() != 2 || !is_counts(offsets) || !is_counts(description.at("shape"))) {
      fail(fmt::format("the shape or the place of {} is no list of counts", name));
    }
    Entry entry{name, found->type, description.at("shape").get<std::vector<std::int64_t>>(),
                offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>()};
    check_size(entry);
    return entry;
  }

  static bool is_counts(const ordered_json& list) {
    return list.is_array() && std::ranges::all_of(list, [](const ordered_json& number) {
             return number.is_number_unsigned() && number.get<std::uint64_t>() <= INT64_MAX;
           });
  }

  void check_size(const Entry& entry) const {
    std::uint64_t bytes = c10::elementSize(entry.type);
    bool good = entry.shape.size() <= 16 && entry.begin <= entry.end && entry.end <= size_ - data_start_;
    for (const std::int64_t extent : entry.shape) {
      good = good && !__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes);
    }
    if (!good || bytes != entry.end - entry.begin) {
      fail(fmt::format("{} of shape {} does not fit its bytes {} to {} of {}", entry.name, describe_shape(entry.shape),
                       entry.begin, entry.end, size_ - data_start_));
    }
  }

  /// The format allows neither overlaps nor gaps.
  void check_layout(std::vector<Entry>& entries) const {
    std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
    std::uint64_t expected = 0;
    for (const Entry& entry : entries) {
      if (entry.begin != expected)
        fail(fmt::format("{} begins at byte {}, expected {}", entry.name, entry.begin, expected));
      expected = entry.end;
    }
    if (expected != size_ - data_start_) {
      fail(fmt::format("has {} bytes of tensors, expected {}", size_ - data_start_, expected));
    }
  }

  std::string file_;
  std::uint64_t size_, data_start_ = 0;
  std::ifstream stream_;
};

std::string header_of(const StateDict& state, const std::filesystem::path& file) {
  ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};  // the transformers library asks for it
  std::uint64_t position = 0;
  for (const auto& [name, tensor] : state) {
    const auto format = std::ranges::find(number_formats, tensor.scalar_type(), &NumberFormat::type);
    if (format == number_formats.end()) {
      throw Error(fmt::format("{}: {} has the number format {}, which is not written", file.string(), name,
                              c10::toString(tensor.scalar_type())));
    }
    const std::uint64_t end = position + tensor.nbytes();
    header[name] = {{"dtype", format->name}, {"shape", tensor.sizes().vec()}, {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors begin on a multiple of eight bytes
  return text;
}

}  // namespace

StateDict read_safetensors(const std::filesystem::path& file) { return SafetensorsFile(file).read(); }

void write_safetensors(const StateDict& state, const std::filesystem::path& file) {
  StateDict tensors;
  for (const auto& [name, tensor] : state) tensors.emplace_back(name, tensor.detach().cpu().contiguous());
  // The widest numbers first, so that every tensor is aligned (the reference implementation does the same).
  std::ranges::stable_sort(tensors, std::ranges::greater{},
                           [](const auto& entry) { return entry.second.element_size(); });

  const std::string header = header_of(tensors, file);
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>(header.size() >> (8 * i) & 0xff);
  OutputFile output(file);
  output.write(length);
  output.write(header);
  for (const auto& [name, tensor] : tensors) {
    output.write(std::as_bytes(std::span(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes())));
  }
  output.commit();
}

}  // namespace pulmoseg::model
