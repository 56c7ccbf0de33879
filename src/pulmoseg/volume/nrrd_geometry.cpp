#include "pulmoseg/volume/nrrd_geometry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/axes.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

struct Axis {
  std::int64_t size = 0;
  std::string kind;
  double spacing = std::numeric_limits<double>::quiet_NaN();
  std::optional<std::vector<double>> direction;
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> result;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank && !inside) result.emplace_back();
    if (!blank) result.back() += c;
    inside = !blank;
  }
  return result;
}

class Reader {
 public:
  Reader(const NrrdHeader& header, const fs::path& file) : header_(header), file_(file) {}

  const std::string* find(const std::string& field) const {
    const auto found = header_.fields.find(field);
    return found == header_.fields.end() ? nullptr : &found->second;
  }

  [[noreturn]] void refuse(const std::string& field) const {
    throw Error(
        fmt::format("{}: has the NRRD field \"{}: {}\", which is not well-formed or does not fit its other fields; "
                    "correct it or write the file anew",
                    file_.string(), field, *find(field)));
  }

  double number(const std::string& field, std::string_view text) const {
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto value = parse_number<double>(text);
    if (!value) refuse(field);
    return *value;
  }

  /// "(a, b, c)" …, "none" as an empty one.
  std::vector<std::vector<double>> vectors(const std::string& field) const {
    std::vector<std::vector<double>> result;
    std::string_view text = *find(field);
    while (true) {
      text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
      if (text.empty()) return result;
      if (text.starts_with("none")) {
        result.emplace_back();
        text.remove_prefix(4);
        continue;
      }
      const std::size_t end = text.find(')');
      if (!text.starts_with('(') || end == text.npos) refuse(field);
      std::string inner(text.substr(1, end - 1));
      std::replace(inner.begin(), inner.end(), ',', ' ');
      result.emplace_back();
      for (const std::string& word : words(inner)) result.back().push_back(number(field, word));
      text.remove_prefix(end + 1);
    }
  }

  /// One entry an axis, or nothing where the field is missing.
  std::vector<std::string> per_axis(const std::string& field, std::size_t axes) const {
    const std::string* text = find(field);
    if (!text) return {};
    std::vector<std::string> result = words(*text);
    if (result.size() != axes) refuse(field);
    return result;
  }

  std::vector<Axis> axes() const {
    const auto dimension = parse_number<int>(*find("dimension"));
    if (!dimension || *dimension < 1 || *dimension > 16) refuse("dimension");
    std::vector<Axis> result(static_cast<std::size_t>(*dimension));
    const auto sizes = per_axis("sizes", result.size());
    const auto kinds = per_axis("kinds", result.size());
    const auto spacings = per_axis("spacings", result.size());
    std::vector<std::vector<double>> directions;
    if (find("space directions")) {
      directions = vectors("space directions");
      if (directions.size() != result.size()) refuse("space directions");
    }
    for (std::size_t a = 0; a < result.size(); ++a) {
      const auto size = parse_number<std::int64_t>(sizes[a]);
      if (!size) refuse("sizes");
      result[a].size = *size;
      if (!kinds.empty()) result[a].kind = kinds[a];
      if (!spacings.empty()) result[a].spacing = number("spacings", spacings[a]);
      if (!directions.empty() && !directions[a].empty()) result[a].direction = directions[a];
    }
    return result;
  }

 private:
  const NrrdHeader& header_;
  const fs::path& file_;
};

bool is_image_axis(const Axis& axis, bool directions_given) {
  if (directions_given) return axis.direction.has_value();
  return axis.kind.empty() || axis.kind == "domain" || axis.kind == "space" || axis.kind == "???" ||
         axis.kind == "none";
}

/// Leaves the two or three axes of the image. Others may be there when they have one entry.
std::vector<Axis> image_axes(std::vector<Axis> axes, const fs::path& file) {
  const std::size_t dimensions = axes.size();
  const bool directions_given =
      std::any_of(axes.begin(), axes.end(), [](const Axis& axis) { return axis.direction.has_value(); });
  std::vector<Axis> image;
  for (const Axis& axis : axes) {
    if (is_image_axis(axis, directions_given) && image.size() < 3) {
      image.push_back(axis);
    } else if (axis.size != 1) {
      const bool frames = image.size() == 3 &&
                          (axis.kind.empty() || axis.kind == "list" || axis.kind == "time" || axis.kind == "domain");
      throw Error(
          frames ? fmt::format("{}: has {} dimensions ({} frames), expected one 3-D volume; extract one frame first",
                               file.string(), dimensions, axis.size)
                 : fmt::format("{}: has {} values a voxel (kind \"{}\"), expected one; extract one component first",
                               file.string(), axis.size, axis.kind));
    }
  }
  if (image.size() < 2) {
    throw Error(
        fmt::format("{}: is {}-dimensional, expected one 2-D slice or 3-D volume", file.string(), image.size()));
  }
  return image;
}

/// Factors that take a patient space to LPS; nothing for any other space.
std::optional<Vector3> to_lps(const std::string* space) {
  if (!space) return std::nullopt;
  if (*space == "left-posterior-superior" || *space == "LPS") return Vector3{1, 1, 1};
  if (*space == "right-anterior-superior" || *space == "RAS") return Vector3{-1, -1, 1};
  if (*space == "left-anterior-superior" || *space == "LAS") return Vector3{1, -1, 1};
  return std::nullopt;
}

double millimetres_per_unit(const std::string* units) {
  if (!units) return 1;
  if (units->starts_with("\"m\"")) return 1000;
  if (units->starts_with("\"cm\"")) return 10;
  if (units->starts_with("\"um\"") || units->starts_with("\"micron\"")) return 0.001;
  return 1;
}

Vector3 in_millimetres(const std::vector<double>& vector, const Reader& reader) {
  const double unit = millimetres_per_unit(reader.find("space units"));
  Vector3 result{};
  for (std::size_t r = 0; r < vector.size(); ++r) result[r] = unit * vector[r];
  return result;
}

Matrix3 steps_in_space(const std::vector<Axis>& axes, bool patient_space, const Reader& reader) {
  const std::size_t dimension = axes[0].direction->size();
  bool fits = dimension <= 3 && dimension >= axes.size() && (dimension == 3 || !patient_space);
  for (const Axis& axis : axes) fits = fits && axis.direction->size() == dimension;
  if (!fits) reader.refuse("space directions");
  Matrix3 steps{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  for (std::size_t c = 0; c < axes.size(); ++c) steps[c] = in_millimetres(*axes[c].direction, reader);
  if (axes.size() == 3) return steps;
  const Vector3 normal = cross(steps[0], steps[1]);  // a slice is one millimetre thick for lack of anything better
  const double length = norm(normal);
  if (length > 0) steps[2] = {normal[0] / length, normal[1] / length, normal[2] / length};
  return steps;
}

Vector3 origin_in_space(std::size_t dimension, const Reader& reader) {
  if (!reader.find("space origin")) return {};
  const auto vectors = reader.vectors("space origin");
  if (vectors.size() != 1 || vectors[0].size() != dimension) reader.refuse("space origin");
  return in_millimetres(vectors[0], reader);
}

Matrix3 steps_without_space(const std::vector<Axis>& axes, const Reader& reader) {
  Matrix3 steps{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  for (std::size_t c = 0; reader.find("spacings") && c < axes.size(); ++c) steps[c][c] = axes[c].spacing;
  return steps;
}

}  // namespace

NrrdPlace nrrd_place(const NrrdHeader& header, const fs::path& file) {
  const Reader reader(header, file);
  const std::vector<Axis> axes = image_axes(reader.axes(), file);
  const bool directed = axes[0].direction.has_value();
  const std::optional<Vector3> signs = to_lps(reader.find("space"));
  std::array<std::int64_t, 3> size{1, 1, 1};
  for (std::size_t c = 0; c < axes.size(); ++c) size[c] = axes[c].size;
  voxel_bytes(size, 1, file);

  Matrix3 steps = directed ? steps_in_space(axes, signs.has_value(), reader) : steps_without_space(axes, reader);
  Vector3 origin = directed ? origin_in_space(axes[0].direction->size(), reader) : Vector3{};
  for (std::size_t r = 0; signs && r < 3; ++r) {
    for (Vector3& step : steps) step[r] *= (*signs)[r];
    origin[r] *= (*signs)[r];
  }
  return {.geometry = geometry_from_steps(size, steps, origin, file),
          .dimensions = static_cast<int>(axes.size()),
          .has_geometry = directed && signs};
}

NrrdHeader nrrd_header_for(const SourceInfo& like) {
  const Geometry& geometry = like.stored_geometry;
  // A 2-D image in 3-D space is legal, but common readers refuse it: a placed slice becomes a volume of one slice.
  const std::size_t dimensions = like.dimensions == 2 && !like.has_geometry ? 2 : 3;
  const auto vector = [](const Vector3& v, double factor) {
    return fmt::format("({},{},{})", v[0] * factor, v[1] * factor, v[2] * factor);
  };
  std::string sizes, directions, spacings, kinds;
  for (std::size_t c = 0; c < dimensions; ++c) {
    const std::string_view gap = c == 0 ? "" : " ";
    sizes += fmt::format("{}{}", gap, geometry.size[c]);
    directions += fmt::format("{}{}", gap, vector(geometry.direction[c], geometry.spacing[c]));
    spacings += fmt::format("{}{}", gap, geometry.spacing[c]);
    kinds += fmt::format("{}domain", gap);
  }
  NrrdHeader header;
  header.fields = {{"dimension", fmt::format("{}", dimensions)}, {"sizes", sizes}, {"kinds", kinds}};
  if (like.has_geometry) {
    header.fields["space"] = "left-posterior-superior";
    header.fields["space directions"] = directions;
    header.fields["space origin"] = vector(geometry.origin, 1);
  } else {
    header.fields["spacings"] = spacings;
  }
  return header;
}

}  // namespace pulmoseg::volume
