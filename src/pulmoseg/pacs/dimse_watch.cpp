#include "pulmoseg/pacs/dimse_watch.hpp"

#include <algorithm>

namespace pulmoseg::pacs {
namespace {

constexpr std::size_t header_size = 6;
constexpr std::size_t most_command_bytes = 64 << 10, most_kept_bytes = 64 << 20, most_items = 1000;
constexpr double slowest = 1000;  // bytes a second

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

/// Whether a command set (implicit VR little endian; PS3.7, 6.3.1) is a C-STORE-RQ.
bool is_store_request(std::string_view command) {
  constexpr std::uint32_t command_field = 0x01000000;  // (0000,0100)
  while (command.size() >= 8) {
    const std::uint32_t tag = little_endian(command), length = little_endian(command.substr(4));
    if (length > command.size() - 8) return false;
    if (tag == command_field) return command.substr(8, length) == std::string_view("\x01\x00", 2);
    command.remove_prefix(8 + length);
  }
  return false;
}

}  // namespace

std::string_view DimseWatch::see(std::string_view bytes, Clock::time_point now) {
  if (!is_in_message()) begun_ = now, size_ = 0;
  size_ += bytes.size();
  if (now - begun_ > timeout_ &&
      static_cast<double>(size_) < slowest * std::chrono::duration<double>(now - begun_).count())
    return "sends too slowly";
  while (!bytes.empty()) {
    const auto wanted = content_left_ > 0 ? content_left_ : header_size - header_.size();
    const auto piece = bytes.substr(0, wanted);
    bytes.remove_prefix(piece.size());
    const auto reason = content_left_ > 0 ? take_content(piece) : take_header(piece);
    if (!reason.empty()) return reason;
  }
  return "";
}

std::string_view DimseWatch::take_header(std::string_view bytes) {
  header_ += bytes;
  if (header_.size() < header_size) return "";
  const std::string header = std::move(header_);
  header_.clear();
  if (pdu_left_ == 0) {
    constexpr char p_data = 4;
    holds_pdvs_ = header[0] == p_data;
    pdu_left_ = big_endian(std::string_view(header).substr(2));
    if (!holds_pdvs_) content_left_ = pdu_left_;
    return "";
  }
  constexpr std::uint64_t length_bytes = 4, context_and_control = 2;
  const std::uint64_t length = big_endian(header);
  if (length < context_and_control || length_bytes + length > pdu_left_) return "sends what is no DICOM message";
  pdu_left_ -= header_size;
  content_left_ = length - context_and_control;
  is_command_ = (header[5] & 1) != 0;
  is_last_ = (header[5] & 2) != 0;
  in_fragments_ = true;
  if (content_left_ == 0) end_fragment();
  return "";
}

std::string_view DimseWatch::take_content(std::string_view bytes) {
  content_left_ -= bytes.size();
  pdu_left_ -= bytes.size();
  if (!holds_pdvs_) return "";
  const auto reason = look_at(bytes);
  if (content_left_ == 0) end_fragment();
  return reason;
}

std::string_view DimseWatch::look_at(std::string_view bytes) {
  if (is_command_) {
    command_ += bytes;
    if (command_.size() > most_command_bytes) return "sends a command without end";
  } else {
    if (stores_) return "";
    kept_ += bytes.size();
    if (kept_ > most_kept_bytes) return "answers more than 64 MiB";
  }
  constexpr std::string_view item("\xfe\xff\x00\xe0", 4);
  seam_ += bytes;
  for (std::size_t at = 0; (at = seam_.find(item, at)) != std::string::npos; at += item.size()) ++items_;
  seam_.erase(0, seam_.size() - std::min(seam_.size(), item.size() - 1));
  return items_ > most_items ? "sends sequences in sequences without end" : "";
}

void DimseWatch::end_fragment() {
  if (!is_last_) return;
  in_fragments_ = false;
  seam_.clear();
  items_ = 0;
  if (!is_command_) return;
  stores_ = is_store_request(command_);
  command_.clear();
}

}  // namespace pulmoseg::pacs
