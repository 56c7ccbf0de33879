#pragma once
// How pulmoseg reports failure: an exception that carries one line for the person at the terminal.

#include <stdexcept>

namespace pulmoseg {

/// Something failed that the user can act on. what() is one line: the file, what was found, what was expected, what to do.
/// The command line prints it and exits with 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The program was called wrongly (a contradictory or unknown option). The command line exits with 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// The user asked to stop (Ctrl-C). What had been finished is on disk. The command line exits with 130.
class Interrupted : public Error {
 public:
  using Error::Error;
};

}  // namespace pulmoseg
