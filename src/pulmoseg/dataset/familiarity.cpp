#include "pulmoseg/dataset/familiarity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ranges>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::dataset {
namespace {

/// Of a range's width, on either side. Of the 14 patients of Ma et al., each against the other 13, one is farther outside (0.42).
constexpr double margin = 0.25;

std::string key_of(const char* name) {
  std::string key = std::string("pulmoseg.seen.") + name;
  std::ranges::replace(key, ' ', '_');
  return key;
}

/// "0.31 0.46".
std::optional<SeenRange> parse_range(const std::string& text) {
  const auto space = text.find(' ');
  if (space == std::string::npos) return std::nullopt;
  const auto low = parse_number<double>(text.substr(0, space)), high = parse_number<double>(text.substr(space + 1));
  if (!low || !high || !(*low <= *high)) return std::nullopt;
  return SeenRange{*low, *high};
}

/// In widths of the range; a range of a single value has the width of a thousandth.
double distance_to(const SeenRange& range, double value) {
  return std::max({0.0, range.low - value, value - range.high}) / std::max(range.high - range.low, 1e-3);
}

Preprocessing equalising(Preprocessing preprocessing, bool wanted) {
  preprocessing.equalise_unfamiliar = false;
  if (!wanted) preprocessing.equalisation = 0;
  return preprocessing;
}

}  // namespace

Appearance appearance_of(std::span<const float> pixels, std::int64_t columns) {
  double sum = 0, squares = 0, dark = 0, bright = 0, differences = 0;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const double value = pixels[i];
    sum += value;
    squares += value * value;
    dark += value < 0.15 ? 1 : 0;
    bright += value > 0.85 ? 1 : 0;
    if (i % static_cast<std::size_t>(columns) > 0) differences += std::abs(value - pixels[i - 1]);
  }
  const auto count = static_cast<double>(std::max<std::size_t>(pixels.size(), 1));
  const double mean = sum / count;
  return {mean, std::sqrt(std::max(0.0, squares / count - mean * mean)), dark / count, bright / count,
          differences / count};
}

void CaseAppearance::add(const Appearance& slice) {
  std::ranges::transform(sum_, slice, sum_.begin(), std::plus());
  ++slices_;
}

std::optional<Appearance> CaseAppearance::mean() const {
  if (slices_ == 0) return std::nullopt;
  Appearance mean = sum_;
  for (double& value : mean) value /= static_cast<double>(slices_);
  return mean;
}

Familiarity Familiarity::of(const Dataset& dataset, std::span<const std::int64_t> rows,
                            const Preprocessing& preprocessing) {
  std::map<std::string, CaseAppearance> cases;
  for (const std::int64_t row : rows) {
    const auto& slice = dataset.slices().at(static_cast<std::size_t>(row));
    std::vector<float> image(dataset.image(row).begin(), dataset.image(row).end());
    equalise(image, dataset.rows(), dataset.columns(), preprocessing);
    cases[slice.case_name].add(appearance_of(image, dataset.columns()));
  }
  if (cases.empty()) throw Error(fmt::format("{}: no slices to learn from", dataset.folder().string()));
  std::vector<Appearance> means;
  for (const auto& [name, appearance] : cases) means.push_back(*appearance.mean());
  return of(means);
}

Familiarity Familiarity::of(std::span<const Appearance> cases) {
  Familiarity familiarity;
  for (std::size_t i = 0; i < familiarity.ranges_.size(); ++i) {
    const auto [low, high] =
        std::ranges::minmax(cases | std::views::transform([i](const auto& one) { return one[i]; }));
    familiarity.ranges_[i] = {low, high};
  }
  return familiarity;
}

std::map<std::string, std::string> Familiarity::to_metadata() const {
  std::map<std::string, std::string> metadata;
  for (std::size_t i = 0; i < ranges_.size(); ++i)
    metadata[key_of(appearance_names[i])] = fmt::format("{:.6g} {:.6g}", ranges_[i].low, ranges_[i].high);
  return metadata;
}

std::optional<Familiarity> Familiarity::from_metadata(const std::map<std::string, std::string>& metadata,
                                                      const std::string& source) {
  Familiarity familiarity;
  for (std::size_t i = 0; i < familiarity.ranges_.size(); ++i) {
    const std::string key = key_of(appearance_names[i]);
    const auto found = metadata.find(key);
    if (found == metadata.end()) return std::nullopt;
    const auto range = parse_range(found->second);
    if (!range)
      throw Error(fmt::format("{}: its metadata says {} = '{}', expected two numbers, the lower first", source, key,
                              found->second));
    familiarity.ranges_[i] = *range;
  }
  return familiarity;
}

double Familiarity::distance(const Appearance& of_case) const {
  double farthest = 0;
  for (std::size_t i = 0; i < ranges_.size(); ++i) farthest = std::max(farthest, distance_to(ranges_[i], of_case[i]));
  return farthest;
}

std::vector<std::string> Familiarity::strangeness(const Appearance& of_case) const {
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    if (distance_to(ranges_[i], of_case[i]) <= margin) continue;
    reasons.push_back(fmt::format("{} {:.3g} (seen in training: {:.3g} to {:.3g})", appearance_names[i], of_case[i],
                                  ranges_[i].low, ranges_[i].high));
  }
  return reasons;
}

EqualisationChoice::EqualisationChoice(const Preprocessing& of_model, std::optional<Familiarity> seen)
    : of_model_(of_model), seen_(std::move(seen)) {}

void EqualisationChoice::add(std::span<const float> image, std::int64_t columns) {
  as_it_is_.add(appearance_of(image, columns));
  std::vector<float> copy(image.begin(), image.end());
  equalise(copy, std::ssize(copy) / columns, columns, equalising(of_model_, true));
  equalised_.add(appearance_of(copy, columns));
}

Preprocessing EqualisationChoice::decide() const {
  if (!of_model_.equalise_unfamiliar) return of_model_;
  const auto as_it_is = as_it_is_.mean(), equalised = equalised_.mean();
  const bool wanted = seen_ && as_it_is && equalised && seen_->distance(*as_it_is) > margin &&
                      seen_->distance(*equalised) < seen_->distance(*as_it_is);
  return equalising(of_model_, wanted);
}

}  // namespace pulmoseg::dataset
