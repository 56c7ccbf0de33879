#pragma once
// The little of Python's pickle that a weights file needs, read as data and never run.
//
// A pickle is a program for a stack machine: it may name any Python function and call it. unpickle() knows the opcodes
// of plain values that torch.save writes (protocol 2) and takes only functions that its caller has named. A call is
// not made, it becomes a value of its own kind for the caller to interpret. Any other opcode or function is an Error,
// and so is a pickle that is cut off. A value takes about a hundred bytes and may come from a single one, so a pickle
// above 4 MB is refused, forty times that of a ResNet-152: memory stays below 1 GB.
//
// Reference: Lib/pickletools.py of CPython. Threads: functions of their arguments.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pulmoseg::model::pickle {

enum class Kind { none, boolean, integer, real, string, tuple, list, dictionary, function, call, persistent };

/// A value; the values inside it are indices into the document, so that loops and deep nesting do no harm.
struct Value {
  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< integer, boolean
  double real = 0;           ///< real
  std::string text{};        ///< string; function and call: the function's name, "module name"
  /// tuple, list; call: its arguments; persistent: its identifier; dictionary: key, value, key, …
  std::vector<std::uint32_t> items{};
};

struct Document {
  std::vector<Value> values;
  std::uint32_t root = 0;
  const Value& operator[](std::uint32_t index) const { return values[index]; }
};

/// `functions` are the names that may stand in the pickle, e.g. "torch._utils _rebuild_tensor_v2". A call of
/// "collections OrderedDict", if allowed, becomes a dictionary. Error begins with `source`.
Document unpickle(std::string_view bytes, const std::set<std::string_view>& functions, const std::string& source);

/// Writes a pickle, opcode by opcode.
class Writer {
 public:
  Writer();
  void mark();
  void function(std::string_view module, std::string_view name);
  void string(std::string_view text);
  void integer(std::int64_t value);
  void boolean(bool value);
  void empty_tuple();
  void tuple();       ///< of everything since the last mark
  void call();        ///< of the function with the tuple, the last two values
  void set_items();   ///< keys and values since the last mark, into the dictionary before it
  void persistent();  ///< the last value becomes a persistent identifier
  std::string finish();

 private:
  void number(std::uint64_t value, int bytes);
  std::string bytes_;
};

}  // namespace pulmoseg::model::pickle
