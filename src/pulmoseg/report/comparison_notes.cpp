#include "pulmoseg/report/comparison_notes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "pulmoseg/report/comparison_words.hpp"
#include "pulmoseg/report/figure_text.hpp"

namespace pulmoseg::report {
namespace {

namespace fs = std::filesystem;

// Of models of the shipped recipe; docs/evaluation.md. Percentage points of the lung.
constexpr double lower_limit = -10.74, upper_limit = 8.31;  // Bland-Altman, model against person, 16 scans
constexpr double when_moved = 3.2, when_thicker = 1.8, when_filtered = 9.4;  // of the same scan, the largest of four

bool is_of_a_model(const ComparedCase& one) { return !one.models.empty(); }

/// What is known of the shipped recipe holds for it, or needs not to.
bool is_of_known_error(const ComparedCase& one) {
  return !is_of_a_model(one) || (one.recipe == "robust" && one.classes == "background,lung,lesion");
}

/// "the earlier", "the later", "both" or nothing.
std::string which(bool earlier, bool later) {
  return earlier && later ? "both" : earlier ? "the earlier" : later ? "the later" : "";
}

class Notes {
 public:
  explicit Notes(const Comparison& comparison)
      : all_(comparison), earlier_(comparison.earlier), later_(comparison.later) {}

  std::vector<Note> collect() {
    note_dates();
    note_same_scan();
    note_models();
    note_coverage();
    note_lung_volume();
    note_thickness();
    note_spacing();
    note_kernel();
    note_density();
    note_error();
    return std::move(notes_);
  }

 private:
  void add(const char* code, std::string text) { notes_.push_back({code, std::move(text)}); }

  /// Which of the two has a note of this code.
  std::string noted(std::string_view code) const { return which(earlier_.has_note(code), later_.has_note(code)); }

  void note_dates() {
    const auto &a = earlier_.study, &b = later_.study;
    const bool wrong_times = all_.days == 0 && !a.time.empty() && !b.time.empty() && b.time < a.time;
    if (!all_.days) {
      add("dates_unknown", "a date is not known, so the order is the one in which they were named");
    } else if (*all_.days < 0 || wrong_times) {
      add("dates_in_wrong_order", fmt::format("the one named as the later ({} {}) was made before the earlier ({} {})",
                                              b.date, b.time, a.date, a.time));
    }
  }

  void note_same_scan() {
    const auto &a = earlier_.study.series_instance_uid, &b = later_.study.series_instance_uid;
    if ((!a.empty() && a == b) || all_.same_content || fs::equivalent(earlier_.file, later_.file))
      add("same_scan", "both are of the same scan");
  }

  void note_models() {
    if (earlier_.models != later_.models) {
      add("models_differ", is_of_a_model(earlier_) != is_of_a_model(later_)
                               ? "the masks of one were there already, those of the other are a model's"
                               : "the masks are of different models");
    }
    std::vector<std::string> settings;
    if (is_of_a_model(earlier_) && is_of_a_model(later_)) {
      if (earlier_.precision != later_.precision) settings.emplace_back("precision");
      if (earlier_.mirrors != later_.mirrors) settings.emplace_back("--tta");
      if (earlier_.has_note("equalised") != later_.has_note("equalised"))
        settings.emplace_back("equalisation (of " + noted("equalised") + " only)");
    }
    if (earlier_.version != later_.version)
      settings.push_back(fmt::format("pulmoseg {} and {}", earlier_.version, later_.version));
    if (!settings.empty())
      add("settings_differ", fmt::format("they were not measured in the same way: {}", fmt::join(settings, ", ")));
    if (const auto of = noted("unfamiliar_input"); !of.empty())
      add("unfamiliar_input", of + " looked unlike the scans that the model was trained on: masks may be wrong");
  }

  /// What of the lungs there was to measure.
  void note_coverage() {
    const auto is_partial = [](const ComparedCase& one) {
      return std::ranges::any_of(one.notes, [](const Note& note) {
        return note.code == "lungs_cut" || note.code == "slices_left_out" || note.code == "single_slice" ||
               note.code == "one_lung";
      });
    };
    if (const auto of = which(is_partial(earlier_), is_partial(later_)); !of.empty())
      add("lungs_incomplete",
          "in " + of + " the lungs were not measured whole: figures compare only where the same part was measured");
  }

  void note_lung_volume() {
    const auto& lung = all_.figure("lung_ml");
    if (!lung.change() || std::abs(*lung.change()) <= 0.2 * std::max(*lung.earlier, *lung.later)) return;
    add("lung_volume_differs",
        fmt::format("the lung volumes differ by more than 20 % ({} and {} ml): another depth of breath, field of view "
                    "or mask, or another patient; percentages and densities depend on it",
                    digits(*lung.earlier), digits(*lung.later)));
  }

  static bool alike(double a, double b) { return std::abs(a - b) <= 0.1 * std::max(a, b); }

  void note_thickness() {
    const auto &thickness = earlier_.study.slice_thickness_mm, &other = later_.study.slice_thickness_mm;
    if (!thickness || !other || alike(*thickness, *other)) return;
    add("thickness_differs",
        fmt::format("the slices are {:.3g} and {:.3g} mm thick; small lesions, masks and densities depend on it{}",
                    *thickness, *other, measured_again("in slices three times as thick", when_thicker)));
  }

  void note_spacing() {
    const auto words = [](const ComparedCase& one) {
      return one.spacing ? spacing_in_words(one) : std::string("unknown");
    };
    if (earlier_.spacing && later_.spacing && std::ranges::equal(*earlier_.spacing, *later_.spacing, alike)) return;
    if (!earlier_.spacing && !later_.spacing) return;
    add("spacing_differs", fmt::format("the voxels differ in size ({} and {}); small lesions and counts depend on it",
                                       words(earlier_), words(later_)));
  }

  void note_kernel() {
    const auto &kernel = earlier_.study.convolution_kernel, &other = later_.study.convolution_kernel;
    if (kernel.empty() || other.empty() || kernel == other) return;
    add("kernel_differs",
        fmt::format("reconstructed with different kernels ({}, {}); densities and masks depend on it{}", kernel, other,
                    measured_again("smoother or sharper", when_filtered)));
  }

  void note_density() {
    if (earlier_.has_density != later_.has_density) {
      const ComparedCase& without = earlier_.has_density ? later_ : earlier_;
      add("density_of_one_only",
          fmt::format(
              "densities are known of {} only: {}", which(earlier_.has_density, later_.has_density),
              without.has_note("not_hounsfield") ? "the other is not in Hounsfield units" : "the other has none"));
    }
    if (earlier_.has_note("contrast_enhanced") != later_.has_note("contrast_enhanced"))
      add("contrast_of_one_only",
          noted("contrast_enhanced") + " has contrast medium, the other not: densities and mass depend on it");
  }

  bool has_model() const { return is_of_a_model(earlier_) || is_of_a_model(later_); }
  bool has_known_error() const { return has_model() && is_of_known_error(earlier_) && is_of_known_error(later_); }

  std::string measured_again(std::string_view how, double points) const {
    if (!has_known_error()) return "";
    return fmt::format(" (the same scan {} gave up to {:.1f} points of the lung more, of four)", how, points);
  }

  /// How much of a change may be the model's error alone.
  void note_error() {
    if (!has_model()) return;
    if (!has_known_error()) {
      add("measurement_error",
          "how far off a percentage of this model may be is not known here (evaluate tells it: limits_of_agreement); a "
          "small change may be none");
      return;
    }
    const bool of_both = is_of_a_model(earlier_) && is_of_a_model(later_);
    const double of_change = (upper_limit - lower_limit) / 2 * (of_both ? std::numbers::sqrt2 : 1);
    std::string text = fmt::format(
        "a model's percentage of the lung is not exact: the same scan, moved by some pixels, gave up to {:.1f} points "
        "more (of four), and 95 % of its differences from a person's lay between {:.1f} and {:.1f} points (16 scans, "
        "docs/evaluation.md). A change of up to {:.1f} points may be error alone{}.",
        when_moved, lower_limit, upper_limit, of_change,
        of_both ? ", if it errs differently at both dates; of less, if it errs alike" : "");
    if (const auto change = all_.figure("percent_affected").change())
      text += fmt::format(" The change here, {:+.1f} points, is {}.", *change,
                          std::abs(*change) > of_change ? "larger" : "within that");
    add("measurement_error", std::move(text));
  }

  const Comparison& all_;
  const ComparedCase &earlier_, &later_;
  std::vector<Note> notes_;
};

}  // namespace

std::vector<Note> notes_on(const Comparison& comparison) { return Notes(comparison).collect(); }

}  // namespace pulmoseg::report
