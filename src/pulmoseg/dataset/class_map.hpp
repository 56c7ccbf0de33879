#pragma once
// What a network tells apart: its classes, and which pixels of a dataset belong to each.
//
//   lesion                       background, lesion
//   lung+lesion                  background, lung without lesion, lesion
//   ggo+consolidation+effusion   background and the lesion labels 1, 2 and 3
//
// Any other map is text, a class a line (or between semicolons); after the equals sign stands where it takes its pixels from:
//
//   lung          = lung         # the lung mask
//   ground glass  = label 1 4    # pixels with one of these lesion labels
//   other lesion  = lesion       # pixels with any lesion label
//
// A pixel that several lines claim goes to the most particular one: labels before lesion before lung. What no line claims is
// background, class 0, which has no line.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"

namespace pulmoseg::dataset {

struct PixelClass {
  enum class Source { lung, lesion, labels, unknown };
  std::string name;
  Source source = Source::lesion;
  std::vector<std::uint8_t> labels;  ///< of Source::labels

  bool operator==(const PixelClass&) const = default;
};

/// Classes that are measured as one: of lung+lesion, the lung is both.
struct Region {
  std::string name;
  std::vector<bool> has;  ///< class by class, whether it belongs to the region
};

/// A value; threads may read one map at the same time.
class ClassMap {
 public:
  /// A name or a map as above. UsageError that names line and mistake: no class, one twice, an unknown source, a class named
  /// background, a name with a comma, a label that is not 1 to 255, a source that two lines take.
  static ClassMap parse(std::string_view text);

  /// For a model of which only the names are known, background first: "lung" and "lesion" are what they say.
  static ClassMap of_names(std::span<const std::string> names);

  /// The name of a map that has one, else the map in one line. parse() gives the same map again, of one that came from it.
  std::string text() const;
  std::vector<std::string> names() const;  ///< background first
  std::size_t size() const { return classes_.size() + 1; }
  bool has_lung() const;

  Region lesion()
      const;  ///< every class that is lesion: the region of all figures and masks that say "lesion"; maybe none
  Region lung() const;  ///< lung and the lesions within it; of no class when !has_lung()
  /// What is measured beside the lesion: the lung, where there is one, and the classes of lesion, where there are several.
  std::vector<Region> further_regions() const;

  /// False when the dataset cannot tell the class of the row's pixels: there is a lung and the row has no lung mask, or a class
  /// of which only the name is known.
  bool knows_targets(const SliceRecord& slice) const;

  /// The class of each pixel of a row for which knows_targets().
  void targets(const Dataset& dataset, std::int64_t row, std::span<std::uint8_t> classes) const;

  bool operator==(const ClassMap&) const = default;

 private:
  explicit ClassMap(std::vector<PixelClass> classes) : classes_(std::move(classes)) {}
  Region region(std::string name, bool (*belongs)(const PixelClass&)) const;

  std::vector<PixelClass> classes_;  // without background
};

}  // namespace pulmoseg::dataset
