#pragma once
// Whether a scan looks like what a model was trained on: a few figures of its preprocessed slices, beside the range that these
// figures have over the cases of the training part. They travel with the model, so that a result can say when not to trust it.
//
// A network answers whatever it is shown. What makes it fail is mostly plain: another window, a picture that was not scaled
// alike, another part of the body, heavy noise. Such things move brightness, contrast or sharpness of whole cases out of their
// range; subtler strangeness is not found this way.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"

namespace pulmoseg::dataset {

/// Of pixels in [0, 1]. The order of the names below.
constexpr std::array<const char*, 5> appearance_names{"brightness", "contrast", "dark share", "bright share",
                                                      "sharpness"};
using Appearance = std::array<double, appearance_names.size()>;

/// Mean, standard deviation, share of pixels below 0.15, share above 0.85, mean difference of neighbours in a row.
Appearance appearance_of(std::span<const float> pixels, std::int64_t columns);

/// The mean over a case's slices. One case at a time.
class CaseAppearance {
 public:
  void add(const Appearance& slice);
  std::optional<Appearance> mean() const;  ///< nullopt before the first slice

 private:
  Appearance sum_{};
  std::int64_t slices_ = 0;
};

struct SeenRange {
  double low = 0, high = 0;  ///< of the cases' means
};

class Familiarity {
 public:
  /// Of the cases of these rows, their slices equalised as `preprocessing` says. Error without rows.
  static Familiarity of(const Dataset& dataset, std::span<const std::int64_t> rows,
                        const Preprocessing& preprocessing = {});

  /// Of these cases, at least one.
  static Familiarity of(std::span<const Appearance> cases);

  /// As text for a model file, "pulmoseg.seen.NAME" = "low high"; nothing without such keys; Error, beginning with `source`,
  /// for ones that are damaged.
  std::map<std::string, std::string> to_metadata() const;
  static std::optional<Familiarity> from_metadata(const std::map<std::string, std::string>& metadata,
                                                  const std::string& source);

  /// How far outside of its range the worst figure lies, in widths of the range; 0: all are inside.
  double distance(const Appearance& of_case) const;

  /// One sentence for each figure that lies outside of its range by more than a quarter of the range's width:
  /// "brightness 0.61 (seen in training: 0.31 to 0.46)". Empty: the case looks like those.
  std::vector<std::string> strangeness(const Appearance& of_case) const;

 private:
  std::array<SeenRange, appearance_names.size()> ranges_;
};

/// Decides whether a case is equalised, where the model leaves that open (Preprocessing::equalise_unfamiliar): the pictures of
/// one hospital come equalised, those of another do not, and in Hounsfield units nothing is. A case that looks like those of
/// the training stays as it is: a second equalisation takes contrast away.
class EqualisationChoice {
 public:
  /// Without `seen` there is nothing to compare with, and nothing is equalised.
  EqualisationChoice(const Preprocessing& of_model, std::optional<Familiarity> seen);

  bool is_open() const { return seen_ && of_model_.equalise_unfamiliar; }

  /// A slice of the case, as preprocess() makes it. Needed only while the choice is open.
  void add(std::span<const float> image, std::int64_t columns);

  /// The preprocessing of this case, with nothing left open: equalised if the slices so far are strange (strangeness()) and
  /// nearer to the seen range for it.
  Preprocessing decide() const;

 private:
  Preprocessing of_model_;
  std::optional<Familiarity> seen_;
  CaseAppearance as_it_is_, equalised_;
};

}  // namespace pulmoseg::dataset
