#include "pulmoseg/prepare/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/dataset/preprocessing.hpp"
#include "pulmoseg/volume/mask.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::prepare {
namespace {

volume::VolumeReader open_image(const CaseSource& source, const PrepareOptions& options) {
  auto reader = volume::VolumeReader::open(source.image);
  if (reader.source().dimensions < 3 && !options.unrelated_slices) {
    throw Error(fmt::format("{}: is 2-D where 3-D is needed; give the volume, or --unrelated-slices for single slices",
                            source.image.string()));
  }
  return reader;
}

/// A bad file among many is found before hours of work. Returns the number of slices.
std::int64_t check_headers(std::span<const CaseSource> cases, const PrepareOptions& options) {
  std::int64_t total = 0;
  for (const auto& source : cases) {
    const auto image = open_image(source, options);
    total += image.geometry().size[2];
    volume::fit_of_mask(source.lesion_mask, volume::MaskKind::lesion, image.source(), image.geometry());
    if (source.lung_mask)
      volume::fit_of_mask(*source.lung_mask, volume::MaskKind::lung, image.source(), image.geometry());
  }
  return total;
}

/// What the notes of a dataset say about a mask; nothing when there is nothing to say.
std::string_view describe(volume::MaskFit fit) {
  switch (fit) {
    case volume::MaskFit::same_grid: return "";
    case volume::MaskFit::voxel_by_voxel:
      return "taken voxel by voxel, because only one of the two headers declares a position";
    case volume::MaskFit::resampled: return "resampled onto the image's grid";
  }
  return "";
}

dataset::Preprocessing preprocessing_of(const PrepareOptions& options) {
  return {.size = options.size, .window = options.window};
}

/// Prepares one case after the other into a writer.
class Preparation {
 public:
  Preparation(dataset::DatasetWriter& writer, const PrepareOptions& options, std::int64_t total)
      : writer_(writer), options_(options), preprocessing_(preprocessing_of(options)), total_(total) {}

  dataset::SourceVolume add(const CaseSource& source) {
    // The reader may hold a volume that is not stored axially: it goes before the masks come.
    std::optional reader = open_image(source, options_);
    const volume::SourceInfo image = reader->source();
    const volume::Geometry grid = reader->geometry();
    dataset::SourceVolume facts{.image = own_name(source.image),
                                .lesion_mask = own_name(source.lesion_mask),
                                .lung_mask = source.lung_mask ? own_name(*source.lung_mask) : "",
                                .format = image.format,
                                .grid = volume::describe(grid),
                                .slices = grid.size[2],
                                .hounsfield_slices = 0,
                                .notes = {}};
    first_row_ = announce_slices(source, grid.size[2]);
    write_images(*reader, source.name, facts);
    reader.reset();
    write_masks(source, image, grid, facts.notes);
    return facts;
  }

 private:
  std::int64_t announce_slices(const CaseSource& source, std::int64_t count) {
    const auto first = static_cast<std::int64_t>(writer_.slices().size());
    const auto digits = std::max<std::size_t>(fmt::formatted_size("{}", count), 3);
    for (std::int64_t k = 0; k < count; ++k) {
      const std::string name =
          options_.unrelated_slices ? fmt::format("{}_{:0{}}", source.name, k + 1, digits) : source.name;
      writer_.add_slice(name, options_.unrelated_slices ? name : source.patient, k, source.lung_mask.has_value());
    }
    return first;
  }

  void write_images(volume::VolumeReader& reader, const std::string& name, dataset::SourceVolume& facts) {
    volume::AxialSlice slice;
    std::int64_t constant = 0;
    while (reader.next(slice)) {
      stop_if_asked();
      const auto image = dataset::preprocess(slice.pixels, slice.rows, slice.columns, preprocessing_);
      facts.hounsfield_slices += dataset::is_hounsfield(slice.pixels) ? 1 : 0;
      constant += std::ranges::max(image) == 0;
      writer_.write_image(first_row_ + slice.index, image);
      ++done_;
      if (options_.on_slice) options_.on_slice(done_, total_, name);
    }
    if (constant > 0) facts.notes.push_back(fmt::format("{} constant slices became 0", constant));
  }

  void write_masks(const CaseSource& source, const volume::SourceInfo& image, const volume::Geometry& grid,
                   std::vector<std::string>& notes) {
    const auto visit = [&](const std::filesystem::path& mask, volume::MaskKind kind, auto&& write) {
      const auto take = [&](std::int64_t index, std::span<const std::uint8_t> labels) {
        stop_if_asked();
        write(first_row_ + index, resized(labels, grid));
      };
      const auto fit = volume::visit_mask_on_grid(mask, kind, image, grid, take).fit;
      const char* name = kind == volume::MaskKind::lung ? "lung mask" : "lesion mask";
      if (fit != volume::MaskFit::same_grid) notes.push_back(fmt::format("{}: {}", name, describe(fit)));
    };
    visit(source.lesion_mask, volume::MaskKind::lesion,
          [&](std::int64_t row, const auto& labels) { writer_.write_labels(row, labels); });
    if (source.lung_mask) {
      visit(*source.lung_mask, volume::MaskKind::lung,
            [&](std::int64_t row, const auto& mask) { writer_.write_lung_mask(row, mask); });
    } else {
      notes.push_back("no lung mask");
    }
  }

  const std::vector<std::uint8_t>& resized(std::span<const std::uint8_t> labels, const volume::Geometry& grid) {
    resized_.resize(static_cast<std::size_t>(options_.size * options_.size));
    dataset::resize_nearest(labels, grid.size[1], grid.size[0], std::span(resized_), options_.size, options_.size);
    return resized_;
  }

  void stop_if_asked() const {
    if (options_.stop.stop_requested()) throw Interrupted("stopped on request; no dataset was written");
  }

  dataset::DatasetWriter& writer_;
  const PrepareOptions& options_;
  dataset::Preprocessing preprocessing_;
  std::int64_t first_row_ = 0, done_ = 0, total_ = 0;
  std::vector<std::uint8_t> resized_;
};

}  // namespace

dataset::DatasetInfo prepare(std::span<const CaseSource> cases, const std::filesystem::path& folder,
                             const PrepareOptions& options) {
  check_names(cases);
  dataset::DatasetWriter writer(folder, {.preprocessing = preprocessing_of(options), .overwrite = options.overwrite});
  Preparation preparation(writer, options, check_headers(cases, options));
  dataset::DatasetInfo info{
      .producer = {}, .unrelated_slices = options.unrelated_slices, .preprocessing = {}, .sources = {}, .cases = {}};
  for (const auto& source : cases) info.sources.push_back(preparation.add(source));
  return writer.commit(std::move(info));
}

}  // namespace pulmoseg::prepare
