#include "pulmoseg/model/pickle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>
#include <utility>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::model::pickle {
namespace {

// Named as in pickletools.py.
// clang-format off
enum Opcode : unsigned char {
  PROTO = 0x80, STOP = '.', MARK = '(', GLOBAL = 'c', REDUCE = 'R', BUILD = 'b', BINPERSID = 'Q',
  BINPUT = 'q', LONG_BINPUT = 'r', BINGET = 'h', LONG_BINGET = 'j',
  NONE = 'N', NEWTRUE = 0x88, NEWFALSE = 0x89, BININT = 'J', BININT1 = 'K', BININT2 = 'M', LONG1 = 0x8a, BINFLOAT = 'G',
  BINUNICODE = 'X', EMPTY_TUPLE = ')', TUPLE = 't', TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87,
  EMPTY_LIST = ']', APPEND = 'a', APPENDS = 'e', EMPTY_DICT = '}', SETITEM = 's', SETITEMS = 'u',
};
// clang-format on

constexpr std::string_view ordered_dictionary = "collections OrderedDict";
constexpr std::size_t longest_pickle = 4 << 20;  // that of a ResNet-152 has 0.1 MB

class Machine {
 public:
  Machine(std::string_view bytes, const std::set<std::string_view>& functions, const std::string& source)
      : bytes_(bytes), functions_(functions), source_(source) {}

  Document run() {
    if (bytes_.size() > longest_pickle) {
      fail(fmt::format("a pickle of {} bytes, above {}", bytes_.size(), longest_pickle));
    }
    while (true) {
      const auto opcode = static_cast<unsigned char>(take(1)[0]);
      if (opcode == STOP) break;
      if (!push_plain_value(opcode) && !push_container(opcode) && !fill_container(opcode) && !use_memo(opcode) &&
          !refer_outside(opcode)) {
        fail(fmt::format("the pickle opcode 0x{:02x}", opcode));
      }
    }
    document_.root = pop();
    return std::move(document_);
  }

 private:
  [[noreturn]] void fail(std::string_view found) const {
    throw Error(
        fmt::format("{}: holds {} (at byte {} of its pickle), which a weights file has no use for; nothing was run. "
                    "Save only the state_dict with torch.save",
                    source_, found, position_));
  }

  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - position_) {
      throw Error(fmt::format("{}: its pickle ends in the middle (after {} bytes); the file is damaged", source_,
                              bytes_.size()));
    }
    position_ += count;
    return bytes_.substr(position_ - count, count);
  }

  std::uint64_t number(std::size_t count) {
    std::uint64_t value = 0;
    const std::string_view digits = take(count);
    for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{static_cast<unsigned char>(digits[i])} << (8 * i);
    return value;
  }

  std::string_view line() {
    const std::size_t end = std::min(bytes_.find('\n', position_), bytes_.size());
    const std::string_view text = take(end - position_);
    take(1);
    return text;
  }

  void push(Value value) {
    stack_.push_back(static_cast<std::uint32_t>(document_.values.size()));
    document_.values.push_back(std::move(value));
  }

  std::uint32_t pop() {
    // What lies below a mark belongs to a collection that is still open.
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("an opcode without its value");
    const std::uint32_t top = stack_.back();
    stack_.pop_back();
    return top;
  }

  std::vector<std::uint32_t> pop_several(std::size_t count) {
    std::vector<std::uint32_t> values(count);
    for (std::size_t i = count; i-- > 0;) values[i] = pop();
    return values;
  }

  std::vector<std::uint32_t> pop_to_mark() {
    if (marks_.empty()) fail("an opcode without its mark");
    std::vector<std::uint32_t> values(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return values;
  }

  Value& top(Kind expected) {
    const std::uint32_t index = pop();
    stack_.push_back(index);
    if (document_[index].kind != expected) fail("an opcode for another kind of value");
    return document_.values[index];
  }

  bool push_plain_value(unsigned char opcode) {
    switch (opcode) {
      case NONE: push({}); return true;
      case NEWTRUE: push({.kind = Kind::boolean, .integer = 1}); return true;
      case NEWFALSE: push({.kind = Kind::boolean, .integer = 0}); return true;
      case BININT: push({.kind = Kind::integer, .integer = static_cast<std::int32_t>(number(4))}); return true;
      case BININT1: push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(number(1))}); return true;
      case BININT2: push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(number(2))}); return true;
      case LONG1: push({.kind = Kind::integer, .integer = long_integer()}); return true;
      case BINFLOAT: push({.kind = Kind::real, .real = real()}); return true;
      case BINUNICODE: push({.kind = Kind::string, .text = std::string(take(number(4)))}); return true;
      default: return false;
    }
  }

  std::int64_t long_integer() {
    const std::size_t count = number(1);
    if (count > 8) fail("an integer of more than 64 bits");
    if (count == 0) return 0;
    const int unused_bits = static_cast<int>(64 - 8 * count);
    return static_cast<std::int64_t>(number(count) << unused_bits) >> unused_bits;  // extends the sign
  }

  double real() {
    std::uint64_t bits = 0;  // the one big-endian number of pickles
    for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
    return std::bit_cast<double>(bits);
  }

  bool push_container(unsigned char opcode) {
    switch (opcode) {
      case MARK: marks_.push_back(stack_.size()); return true;
      case EMPTY_TUPLE: push({.kind = Kind::tuple}); return true;
      case EMPTY_LIST: push({.kind = Kind::list}); return true;
      case EMPTY_DICT: push({.kind = Kind::dictionary}); return true;
      case TUPLE: push({.kind = Kind::tuple, .items = pop_to_mark()}); return true;
      case TUPLE1: push({.kind = Kind::tuple, .items = pop_several(1)}); return true;
      case TUPLE2: push({.kind = Kind::tuple, .items = pop_several(2)}); return true;
      case TUPLE3: push({.kind = Kind::tuple, .items = pop_several(3)}); return true;
      default: return false;
    }
  }

  bool fill_container(unsigned char opcode) {
    switch (opcode) {
      case APPEND: fill(Kind::list, pop_several(1)); return true;
      case APPENDS: fill(Kind::list, pop_to_mark()); return true;
      case SETITEM: fill(Kind::dictionary, pop_several(2)); return true;
      case SETITEMS: fill(Kind::dictionary, pop_to_mark()); return true;
      case BUILD:  // an attribute of an OrderedDict: the _metadata of a state_dict, which says versions of modules
        pop();
        top(Kind::dictionary);
        return true;
      default: return false;
    }
  }

  void fill(Kind kind, const std::vector<std::uint32_t>& values) {
    if (kind == Kind::dictionary && values.size() % 2 != 0) fail("a key without its value");
    auto& items = top(kind).items;
    items.insert(items.end(), values.begin(), values.end());
  }

  bool use_memo(unsigned char opcode) {
    switch (opcode) {
      case BINPUT: remember(number(1)); return true;
      case LONG_BINPUT: remember(number(4)); return true;
      case BINGET: recall(number(1)); return true;
      case LONG_BINGET: recall(number(4)); return true;
      default: return false;
    }
  }

  void remember(std::uint64_t key) {
    const std::uint32_t index = pop();
    stack_.push_back(index);
    memo_[key] = index;
  }

  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("a reference to nothing");
    stack_.push_back(found->second);
  }

  bool refer_outside(unsigned char opcode) {
    switch (opcode) {
      case PROTO:
        if (const auto protocol = number(1); protocol != 2) fail(fmt::format("pickle protocol {}", protocol));
        return true;
      case BINPERSID: push({.kind = Kind::persistent, .items = pop_several(1)}); return true;
      case GLOBAL: {
        const std::string module(line());
        const std::string name = module + ' ' + std::string(line());
        if (!functions_.contains(name)) fail(fmt::format("the Python object \"{}\"", printable(name)));
        push({.kind = Kind::function, .text = name});
        return true;
      }
      case REDUCE: call(); return true;
      default: return false;
    }
  }

  static std::string printable(std::string_view name) {
    std::string text(name.substr(0, 80));
    std::ranges::replace(text, ' ', '.');
    for (char& c : text) c = c < 0x21 || c > 0x7e ? '?' : c;
    return text;
  }

  void call() {
    const std::uint32_t arguments = pop(), function = pop();
    if (document_[function].kind != Kind::function || document_[arguments].kind != Kind::tuple)
      fail("a call of no function");
    if (document_[function].text != ordered_dictionary) {
      push({.kind = Kind::call, .text = document_[function].text, .items = document_[arguments].items});
    } else if (document_[arguments].items.empty()) {
      push({.kind = Kind::dictionary});
    } else {
      fail("an OrderedDict made from a list");
    }
    limit_copies(document_.values.back().items.size());
  }

  /// One tuple may be the arguments of many calls: its copies count towards the pickle's length.
  void limit_copies(std::size_t count) {
    copied_ += count;
    if (copied_ > bytes_.size()) fail("calls with more arguments than it has bytes");
  }

  std::string_view bytes_;
  const std::set<std::string_view>& functions_;
  const std::string& source_;
  std::size_t position_ = 0, copied_ = 0;
  std::vector<std::uint32_t> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, std::uint32_t> memo_;
  Document document_;
};

}  // namespace

Document unpickle(std::string_view bytes, const std::set<std::string_view>& functions, const std::string& source) {
  return Machine(bytes, functions, source).run();
}

Writer::Writer() { bytes_ = {static_cast<char>(PROTO), 2}; }

void Writer::number(std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
}

void Writer::mark() { bytes_ += static_cast<char>(MARK); }

void Writer::function(std::string_view module, std::string_view name) {
  bytes_ += fmt::format("{}{}\n{}\n", static_cast<char>(GLOBAL), module, name);
}

void Writer::string(std::string_view text) {
  bytes_ += static_cast<char>(BINUNICODE);
  number(text.size(), 4);
  bytes_ += text;
}

void Writer::integer(std::int64_t value) {
  const bool small =
      value >= std::numeric_limits<std::int32_t>::min() && value <= std::numeric_limits<std::int32_t>::max();
  bytes_ += static_cast<char>(small ? BININT : LONG1);
  if (!small) bytes_ += '\x08';
  number(static_cast<std::uint64_t>(value), small ? 4 : 8);
}

void Writer::boolean(bool value) { bytes_ += static_cast<char>(value ? NEWTRUE : NEWFALSE); }
void Writer::empty_tuple() { bytes_ += static_cast<char>(EMPTY_TUPLE); }
void Writer::tuple() { bytes_ += static_cast<char>(TUPLE); }
void Writer::call() { bytes_ += static_cast<char>(REDUCE); }
void Writer::set_items() { bytes_ += static_cast<char>(SETITEMS); }
void Writer::persistent() { bytes_ += static_cast<char>(BINPERSID); }

std::string Writer::finish() {
  bytes_ += static_cast<char>(STOP);
  return std::move(bytes_);
}

}  // namespace pulmoseg::model::pickle
