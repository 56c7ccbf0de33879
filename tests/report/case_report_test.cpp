#include "pulmoseg/report/case_report.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/utf8.hpp"
#include "support/data.hpp"

namespace pulmoseg::report {
namespace {

using Mask = std::vector<std::uint8_t>;

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++found;
  return found;
}

/// A scan of 40 x 30 pixels and 5 slices with everything that a report can show.
class Case : public testing::Test {
 protected:
  Case() {
    measurements_.grid = {.size = {40, 30, 5}, .spacing = {2, 2, 5}};
    measurements_.voxel_volume_ml = 0.02;
    measurements_.pixel_area_mm2 = 4;
    measurements_.lesion_voxels = 500;
    measurements_.lesion_ml = 10;
    measurements_.lesion_slices = 5;
    measurements_.has_lung_mask = true;
    measurements_.lung_voxels = 3000;
    measurements_.lung_ml = 60;
    measurements_.percent_affected = 16.7;
    measurements_.sides = {{"left", 1500, 300, 30, 6, 20.0}, {"right", 1500, 200, 30, 4, 13.3}};
    measurements_.thirds = {{"upper", 1000, 100, 20, 2, 10.0}};
    measurements_.lesion_sizes = {{0, 1, 3, 1.5}, {1, std::nullopt, 2, 8.5}};
    measurements_.density.emplace();
    measurements_.density->mean_hu = -740;
    measurements_.density->bands = {{-950, -750, 2000, 40, 66.7}};
    measurements_.severity = {"CT-1", "less than 25 %", "a source"};
    measurements_.notes = {{"unfamiliar_input", "the scan looks <strange>"}};
    measurements_.slices.resize(5);
    for (std::size_t k = 0; k < 5; ++k) {
      measurements_.slices[k].index = static_cast<std::int64_t>(k);
      measurements_.slices[k].lesion_voxels = 100;
      measurements_.slices[k].lung_voxels = 600;
    }
    source_.file = "/patients/Jane/scan";
    source_.format = "DICOM series";
    source_.attributes = {{"PatientName", "Doe<script>alert(1)</script>^Jane\xff"},
                          {"PatientID", "ID-4711"},
                          {"PatientBirthDate", "19580317"},
                          {"PatientSex", "F"},
                          {"PatientAge", "063Y"},
                          {"StudyDate", "20210331"},
                          {"AccessionNumber", "ACC-1"},
                          {"InstitutionName", "A hospital"},
                          {"SliceThickness", "1.250000"},
                          {"SeriesDescription", "Doe thorax"}};
    provenance_ = {.version = "1.2.3",
                   .image = source_.file,
                   .lesion_mask = "out/scan_lesion.nii.gz",
                   .model = "run/model.onnx",
                   .model_sha256 = std::string(64, 'a'),
                   .model_metadata = {{"pulmoseg.licence", "A licence"}},
                   .precision = "int8"};
  }

  CaseReport report() const {
    SliceGallery gallery(5, 3);
    CaseViews views(measurements_.grid);
    for (std::int64_t k = 0; k < 5; ++k) {
      std::vector<float> pixels(1200, -800);
      Mask lesion(1200), lung(1200);
      for (std::size_t i = 300; i < 900; ++i) {
        lung[i] = 1;
        lesion[i] = i % 40 < 10;
        pixels[i] = -1000;
      }
      gallery.offer(k, 30, 40, pixels, lesion, lung);
      views.add({k, 30, 40, pixels, lesion, lung});
    }
    return {.name = "scan <1>",
            .measurements = measurements_,
            .provenance = provenance_,
            .source = source_,
            .slices = gallery.finish(),
            .views = views.finish()};
  }

  quantify::Measurements measurements_;
  Provenance provenance_;
  volume::SourceInfo source_;
};

TEST_F(Case, SaysWhoWhenHowMuchAndByWhat) {
  const std::string html = case_report_html(report());
  for (const std::string_view text : {"Doe&lt;script&gt;alert(1)&lt;/script&gt;, Jane?",
                                      "ID-4711",
                                      "1958-03-17",
                                      "female",
                                      "2021-03-31",
                                      "16.7 %",
                                      "CT-1",
                                      "10.0 ml",
                                      "60.0 ml",
                                      "left lung",
                                      "upper third",
                                      "The scan looks &lt;strange&gt;",
                                      "−740 HU",
                                      "model.onnx",
                                      "aaaaaaaaaaaaaaaa",
                                      "A licence",
                                      "int8",
                                      "1.2.3",
                                      "scan_lesion.nii.gz",
                                      "Coronal",
                                      "Sagittal",
                                      "Lesion map",
                                      "1.25 mm",
                                      "window: level −600, width 1500 HU",
                                      "through the most lesion"})
    EXPECT_NE(html.find(text), std::string::npos) << text;
  EXPECT_GE(count(html, research_use), 3U);  // at the top, and on each page
  EXPECT_EQ(count(html, "Jane?</bdi> · <bdi>ID-4711</bdi> · <bdi>2021-03-31"), 2U) << "pages are parted";
  EXPECT_EQ(html.find("/patients"), std::string::npos);
}

TEST_F(Case, NothingFromOutsideIsRunOrFetched) {
  const std::string html = case_report_html(report());
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("http:"), std::string::npos);
  EXPECT_EQ(html.find("https:"), std::string::npos);
  EXPECT_EQ(count(html, " src="), 0U);
  EXPECT_EQ(count(html, "url("), 0U);
  for (std::size_t at = 0; (at = html.find("href=\"", at)) != std::string::npos; ++at) {
    const bool inside = html.compare(at + 6, 5, "data:") == 0 || html[at + 6] == '#';
    EXPECT_TRUE(inside) << html.substr(at, 60);
  }
  std::string flat = html;
  std::ranges::replace(flat, '\n', ' ');
  EXPECT_EQ(clean(flat), flat) << "is not UTF-8";
}

TEST_F(Case, AnonymousNamesNobody) {
  CaseReport anonymous = report();
  anonymous.anonymous = true;
  const std::string html = case_report_html(anonymous);
  for (const std::string_view text :
       {"Doe", "Jane", "4711", "1958", "2021", "ACC-1", "A hospital", "scan_lesion", ">scan<", "female", "63 years"})
    EXPECT_EQ(html.find(text), std::string::npos) << text;
}

TEST_F(Case, WithoutLesionItShowsTheMostLung) {
  CaseReport report = this->report();
  for (auto& slice : report.slices) std::ranges::fill(slice.lesion, 0);
  for (auto* slice : {&report.views->coronal.slice, &report.views->sagittal.slice}) std::ranges::fill(slice->lesion, 0);
  report.slices[1].lung.assign(1200, 1);
  const std::string html = case_report_html(report);
  EXPECT_NE(html.find(fmt::format("<b>Axial</b>, slice {}<", report.slices[1].index)), std::string::npos);
  EXPECT_EQ(html.find("through the most lesion"), std::string::npos);
  EXPECT_EQ(count(html, "through the most lung, no lesion"), 2U);
}

TEST_F(Case, WhatIsNotZeroDoesNotLookLikeZero) {
  measurements_.percent_affected = 0.004;
  measurements_.lesion_ml = 0.0031;
  const std::string html = case_report_html(report());
  EXPECT_NE(html.find("<b>0.004 %</b>"), std::string::npos);
  EXPECT_NE(html.find("<b>0.003 ml</b>"), std::string::npos);
}

TEST_F(Case, TheCurveOfManySlicesEndsWhereItsAxisEnds) {
  measurements_.grid.size[2] = 3000;
  measurements_.slices.resize(3000, measurements_.slices.front());
  EXPECT_NE(case_report_html(report()).find("H394.00V"), std::string::npos);
}

TEST_F(Case, TablesKeepTheirWidth) {
  measurements_.lung_ml = 6480526752000;
  EXPECT_NE(case_report_html(report()).find("6.48e+12 ml"), std::string::npos);
}

TEST_F(Case, WhatIsNotKnownIsSaidOrLeftOut) {
  quantify::Measurements bare;
  bare.grid = measurements_.grid;
  bare.known_spacing = quantify::KnownSpacing::none;
  volume::SourceInfo source;
  source.has_geometry = false;
  const Provenance provenance{.version = "1.2.3"};
  const CaseReport full = report();
  CaseReport report_of_bare{.name = "bare",
                            .measurements = bare,
                            .provenance = provenance,
                            .source = source,
                            .slices = full.slices,
                            .views = full.views};
  const std::string html = case_report_html(report_of_bare);
  EXPECT_GE(count(html, "unknown"), 4U);
  EXPECT_EQ(html.find("Coronal"), std::string::npos);  // of no true shape
  EXPECT_EQ(html.find("Parts of the lungs"), std::string::npos);
  EXPECT_EQ(html.find("Density of the lung"), std::string::npos);
  EXPECT_EQ(html.find(">R<"), std::string::npos);
  EXPECT_NE(html.find("left and right, up and down are assumed"), std::string::npos);
  EXPECT_NE(html.find("were there already"), std::string::npos);
  report_of_bare.slices.clear();
  report_of_bare.views.reset();
  EXPECT_NE(case_report_html(report_of_bare).find("page 2 of 2"), std::string::npos);
}

TEST_F(Case, SameCaseSameBytes) {
  const test::TemporaryFolder folder;
  write_case_report(report(), folder / "a.html");
  write_case_report(report(), folder / "b.html");
  EXPECT_EQ(read_file(folder / "a.html"), read_file(folder / "b.html"));
}

TEST_F(Case, OutlinesAreAsWideForLargePixelsAsForSmallOnes) {
  const std::string html = case_report_html(report());
  const auto outlines = count(html, "<use class=\"edge\"");
  ASSERT_GT(outlines, 0U);
  EXPECT_EQ(count(html, "\" vector-effect=\"non-scaling-stroke\" transform="), outlines);
}

TEST_F(Case, NoFigureSharesItsName) {
  const std::string html = case_report_html(report());
  std::set<std::string> names;
  for (std::size_t at = 0; (at = html.find(" id=\"", at)) != std::string::npos; ++at) {
    const std::string name = html.substr(at + 5, html.find('"', at + 5) - at - 5);
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_GT(names.size(), 8U);
}

TEST_F(Case, FiguresThatAreNotToBeReliedOnAreMarkedAboveThem) {
  const std::string html = case_report_html(report());
  const auto caution = html.find("class=\"caution\""), headline = html.find("class=\"cards\"");
  ASSERT_NE(caution, std::string::npos);
  EXPECT_LT(caution, headline);
  EXPECT_NE(html.find("not to be relied on: the scan is unlike"), std::string::npos);
  measurements_.notes = {{"thick_slices", "the slices are thick"}};
  EXPECT_EQ(case_report_html(report()).find("class=\"caution\""), std::string::npos);
}

TEST_F(Case, SlicesAreAlsoCountedAsTheSeriesCountsThem) {
  EXPECT_EQ(case_report_html(report()).find("(image"), std::string::npos);
  for (auto& slice : measurements_.slices) slice.instance_number = 80 - slice.index;
  std::string html = case_report_html(report());
  EXPECT_NE(html.find("slice 0 (image 80 of the series)"), std::string::npos);
  EXPECT_NE(html.find("<span>slice 2 (image 78)</span>"), std::string::npos);
  for (auto& slice : measurements_.slices) slice.frame_number = 11 + slice.index;
  html = case_report_html(report());
  EXPECT_NE(html.find("<span>slice 2 (frame 13)</span>"), std::string::npos);
}

}  // namespace
}  // namespace pulmoseg::report
