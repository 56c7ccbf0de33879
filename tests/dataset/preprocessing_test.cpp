#include "pulmoseg/dataset/preprocessing.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <fstream>
#include <limits>
#include <locale>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/clahe.hpp"
#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

nlohmann::json golden() {
  std::ifstream stream(test::repository_file("tests/data/dataset/resize.json"));
  return nlohmann::json::parse(stream);
}

/// The pattern of tests/oracle/prepare.py: whole numbers from -1024 to 3071.
std::vector<float> pattern(std::int64_t rows, std::int64_t columns) {
  std::vector<float> pixels;
  for (std::int64_t j = 0; j < rows; ++j) {
    for (std::int64_t i = 0; i < columns; ++i) {
      pixels.push_back(static_cast<float>((j * 7919 + i * 104729 + j * i * 31) % 4096 - 1024));
    }
  }
  return pixels;
}

TEST(ResizeBilinear, EqualsOpenCvAndPyTorch) {
  constexpr double tolerance = 4096 * 1e-6;  // a tenth of the 1e-5 that is allowed after scaling to [0, 1]
  const auto document = golden();
  ASSERT_GE(document["bilinear"].size(), 10U);
  for (const auto& entry : document["bilinear"]) {
    const std::int64_t rows = entry["in"][0], columns = entry["in"][1], out_rows = entry["out"][0],
                       out_columns = entry["out"][1];
    std::vector<float> out(static_cast<std::size_t>(out_rows * out_columns), NAN);
    resize_bilinear(pattern(rows, columns), rows, columns, out, out_rows, out_columns);
    for (std::size_t n = 0; n < entry["places"].size(); ++n) {
      const std::size_t place = entry["places"][n];
      EXPECT_NEAR(out[place], entry["opencv"][n].get<double>(), tolerance) << entry["in"] << entry["out"] << place;
      EXPECT_NEAR(out[place], entry["torch"][n].get<double>(), tolerance) << entry["in"] << entry["out"] << place;
    }
  }
}

TEST(ResizeBilinear, CopiesWhenTheSizesAreEqual) {
  const auto in = pattern(5, 7);
  std::vector<float> out(35);
  resize_bilinear(in, 5, 7, out, 5, 7);
  EXPECT_EQ(in, out);
}

TEST(ResizeNearest, TakesTheIndicesOfOpenCvAndPyTorch) {
  const auto document = golden();
  ASSERT_GE(document["nearest"].size(), 100U);
  for (const auto& entry : document["nearest"]) {
    const std::int64_t in = entry["in"], out = entry["out"];
    std::uint64_t hash = 0xcbf29ce484222325;
    for (std::int64_t i = 0; i < out; ++i)
      hash = (hash ^ static_cast<std::uint64_t>(nearest_index(i, in, out))) * 0x100000001b3;
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    EXPECT_EQ(entry["hash"].get<std::string>(), text) << in << " -> " << out;
  }
}

TEST(ResizeNearest, TakesRowsAndColumnsAlike) {
  const std::vector<std::uint8_t> in{1, 2, 3, 4, 5, 6};  // 2 x 3
  std::vector<std::uint8_t> out(24);
  resize_nearest<std::uint8_t>(in, 2, 3, out, 4, 6);
  EXPECT_EQ(out, (std::vector<std::uint8_t>{1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 4, 4, 5, 5, 6, 6}));
  std::vector<std::uint8_t> one(1);
  resize_nearest<std::uint8_t>(in, 2, 3, one, 1, 1);
  EXPECT_EQ(one[0], 5);  // floor(2 / 2), floor(3 / 2)
}

TEST(MinMaxScale, RunsFromZeroToOne) {
  std::vector<float> pixels{-1000, 0, 3000};
  min_max_scale(pixels);
  EXPECT_EQ(pixels, (std::vector<float>{0, 0.25, 1}));
}

TEST(MinMaxScale, MakesAConstantSliceZero) {
  std::vector<float> pixels(9, -1024.0F), none;
  min_max_scale(pixels);
  EXPECT_EQ(pixels, std::vector<float>(9, 0.0F));
  min_max_scale(none);
}

TEST(MinMaxScale, IsFiniteForTheLargestRange) {
  constexpr float largest = std::numeric_limits<float>::max();
  std::vector<float> pixels{-largest, 0, largest};
  min_max_scale(pixels);
  EXPECT_EQ(pixels, (std::vector<float>{0, 0.5, 1}));
  std::vector<float> tiny{0, std::numeric_limits<float>::denorm_min()};
  min_max_scale(tiny);
  EXPECT_EQ(tiny, (std::vector<float>{0, 1}));
}

TEST(Preprocess, ResizesBeforeItScales) {
  // The bright pixel is averaged away first: scaling before resizing would leave a largest value of 1/4.
  std::vector<float> pixels(16, 0.0F);
  pixels[0] = 1000;
  const auto image = preprocess(pixels, 4, 4, {.size = 2});
  EXPECT_EQ(image, (std::vector<float>{1, 0, 0, 0}));
}

TEST(Preprocess, NormalisesLast) {
  std::vector<float> pixels{0, 1};
  normalise(pixels, {.size = 1, .mean = 0.0, .standard_deviation = 1.0});
  EXPECT_EQ(pixels, (std::vector<float>{0, 1}));
  normalise(pixels, {.size = 1, .mean = 0.5, .standard_deviation = 0.25});
  EXPECT_EQ(pixels, (std::vector<float>{-2, 2}));
}

TEST(Preprocess, CutsHounsfieldUnitsToTheWindowAndLeavesPicturesAlone) {
  const Preprocessing windowed{.size = 2, .window = Window{-1000, 200}};
  EXPECT_EQ(preprocess(std::vector<float>{-3024, -1000, -400, 3000}, 2, 2, windowed),
            (std::vector<float>{0, 0, 0.5, 1}));
  EXPECT_EQ(preprocess(std::vector<float>{-899, -1, 1, 899}, 2, 2, windowed),
            preprocess(std::vector<float>{-899, -1, 1, 899}, 2, 2, {.size = 2}));
  EXPECT_EQ(preprocess(std::vector<float>{0, 51, 255, 204}, 2, 2, windowed), (std::vector<float>{0, 0.2F, 1, 0.8F}));
  EXPECT_TRUE(is_hounsfield(std::vector<float>{0, -900}));
  EXPECT_FALSE(is_hounsfield({}));
}

TEST(Preprocess, FinishesWithEqualisationAndThenDeviation) {
  std::vector<float> image(64), expected;
  for (std::size_t i = 0; i < 64; ++i) image[i] = static_cast<float>(i * i % 17) / 16;
  expected = image;
  equalise(expected, 8, 8, Clahe{.clip_limit = 3});
  for (float& pixel : expected) pixel = (pixel - 0.5F) / 0.25F;
  finish(image, 8, 8, {.size = 8, .equalisation = 3, .mean = 0.5, .standard_deviation = 0.25});
  EXPECT_EQ(image, expected);
}

TEST(Preprocess, EqualisesNothingWhileThatIsOpen) {
  std::vector<float> image(64);
  for (std::size_t i = 0; i < 64; ++i) image[i] = static_cast<float>(i * i % 17) / 16;
  const auto before = image;
  finish(image, 8, 8, {.size = 8, .equalisation = 3, .equalise_unfamiliar = true});
  EXPECT_EQ(image, before);
}

TEST(PreprocessingMetadata, NamesWhatIsWantedOnly) {
  const auto plain = Preprocessing{}.to_metadata();
  EXPECT_EQ(plain.size(), 4U);
  const Preprocessing all{
      .window = Window{-1250, 250.5}, .equalisation = 2.5, .equalise_unfamiliar = true, .neighbours = 2};
  const auto metadata = all.to_metadata();
  EXPECT_EQ(metadata.at("pulmoseg.hounsfield_window"), "-1250 250.5");
  EXPECT_EQ(metadata.at("pulmoseg.equalisation"), "2.5");
  EXPECT_EQ(metadata.at("pulmoseg.equalise"), "unfamiliar");
  EXPECT_EQ(metadata.at("pulmoseg.neighbours"), "2");
  EXPECT_EQ(Preprocessing::from_metadata(metadata, "model.onnx"), all);
  EXPECT_EQ(all.channels(), 5);
  auto too_many = metadata;
  too_many["pulmoseg.neighbours"] = "17";
  EXPECT_THROW(Preprocessing::from_metadata(too_many, "model.onnx"), Error);
  auto of_tomorrow = metadata;
  of_tomorrow["pulmoseg.equalise"] = "sometimes";
  EXPECT_THROW(Preprocessing::from_metadata(of_tomorrow, "model.onnx"), Error);
  for (const char* wrong : {"", "250", "250 -1250", "-1250  250", "-inf 3", "1 1"}) {
    auto damaged = metadata;
    damaged["pulmoseg.hounsfield_window"] = wrong;
    EXPECT_THROW(Preprocessing::from_metadata(damaged, "model.onnx"), Error) << wrong;
  }
}

TEST(PreprocessingMetadata, ComesBackExactly) {
  const Preprocessing original{.size = 192, .mean = 0.1, .standard_deviation = 1.0 / 3};
  const auto metadata = original.to_metadata();
  EXPECT_EQ(metadata.at("pulmoseg.size"), "192");
  EXPECT_EQ(metadata.at("pulmoseg.scaling"), "min-max-per-slice");
  EXPECT_EQ(metadata.at("pulmoseg.mean"), "0.1");
  EXPECT_EQ(Preprocessing::from_metadata(metadata, "model.onnx"), original);
}

/// Numbers as in Germany, whether that locale is installed or not.
struct GermanNumbers : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(PreprocessingMetadata, IgnoresTheLocale) {
  const Preprocessing original{.size = 1024, .mean = 0.5, .standard_deviation = 0.25};
  const std::locale before = std::locale::global(std::locale(std::locale(), new GermanNumbers));
  std::setlocale(LC_ALL, "de_DE.UTF-8");
  const auto metadata = original.to_metadata();
  const auto read = Preprocessing::from_metadata(metadata, "model.onnx");
  std::locale::global(before);
  EXPECT_EQ(metadata.at("pulmoseg.size"), "1024");
  EXPECT_EQ(metadata.at("pulmoseg.mean"), "0.5");
  EXPECT_EQ(read, original);
}

TEST(PreprocessingMetadata, RefusesWhatIsMissingOrWrong) {
  const auto message_with = [](const char* key, std::optional<std::string> value) -> std::string {
    auto metadata = Preprocessing{}.to_metadata();
    metadata["pulmoseg.classes"] = "background,lesion";
    if (value)
      metadata[key] = *value;
    else
      metadata.erase(key);
    try {
      Preprocessing::from_metadata(metadata, "model.onnx");
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message_with("pulmoseg.size", "256"), "accepted");
  for (const char* key : {"pulmoseg.size", "pulmoseg.scaling", "pulmoseg.mean", "pulmoseg.standard_deviation"}) {
    EXPECT_EQ(message_with(key, {}),
              "model.onnx: has no " + std::string(key) + " in its metadata; write it with pulmoseg");
    EXPECT_NE(message_with(key, "much").find("says " + std::string(key) + " = 'much', expected"), std::string::npos);
  }
  for (const char* size : {"0", "-1", "256.5", " 256", "256 ", ""})
    EXPECT_NE(message_with("pulmoseg.size", size), "accepted") << size;
  for (const char* deviation : {"0", "-1", "nan", "inf", "0,5"}) {
    EXPECT_NE(message_with("pulmoseg.standard_deviation", deviation), "accepted") << deviation;
  }
  EXPECT_NE(message_with("pulmoseg.mean", "nan"), "accepted");
}

}  // namespace
}  // namespace pulmoseg::dataset
