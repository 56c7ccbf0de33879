#include "pulmoseg/prepare/case_source.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg::prepare {
namespace {

namespace fs = std::filesystem;

void touch(const fs::path& file) {
  fs::create_directories(file.parent_path());
  write_file(file, "");
}

/// What goes to the log while it lives.
class CapturedLog {
 public:
  CapturedLog() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(text_)));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

template <class Call>
void expect_error(Call&& call, std::initializer_list<std::string_view> parts) {
  try {
    call();
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const auto part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

std::vector<std::string> names(const std::vector<CaseSource>& cases) {
  std::vector<std::string> found;
  for (const auto& one : cases) found.push_back(one.name);
  return found;
}

TEST(NaturalLess, CountsNumbersAsNumbers) {
  std::vector<std::string> items{"b1", "a10", "10", "a2", "2", "a02", "a2b", "1", "a"};
  std::ranges::sort(items, natural_less);
  EXPECT_EQ(items, (std::vector<std::string>{"1", "2", "10", "a", "a02", "a2", "a2b", "a10", "b1"}));
  EXPECT_FALSE(natural_less("x", "x"));
  EXPECT_TRUE(natural_less("99999999999999999999999998", "99999999999999999999999999"));
}

TEST(FindCases, FollowsTheLayoutOfTheRadiopaediaSet) {
  const test::TemporaryFolder folder;
  const fs::path source = folder / "mit Raum/Größe";
  for (const char* name : {"10.nii.gz", "2.nii", "1.nii.gz", "Mädchen 3.nii.gz"}) touch(source / "rp_im" / name);
  for (const char* name : {"1.nii", "2.nii.gz", "10.NII.GZ", "Mädchen 3.nrrd"}) touch(source / "rp_msk" / name);
  touch(source / "rp_lung_msk/10.nii.gz");
  touch(source / "rp_im/.DS_Store");
  touch(source / "rp_im/._1.nii.gz");
  touch(source / "rp_msk/readme.txt");
  CapturedLog log;
  const auto cases = find_cases(source);
  EXPECT_EQ(names(cases), (std::vector<std::string>{"1", "2", "10", "Mädchen 3"}));
  EXPECT_EQ(cases[0], (CaseSource{"1", "1", source / "rp_im/1.nii.gz", source / "rp_msk/1.nii", {}}));
  EXPECT_EQ(cases[2].lung_mask, source / "rp_lung_msk/10.nii.gz");
  EXPECT_NE(log.text().find("readme.txt: is no .nii, .nii.gz, .nrrd or .nhdr file and is ignored"), std::string::npos)
      << log.text();
  EXPECT_EQ(log.text().find("DS_Store"), std::string::npos) << log.text();
  EXPECT_NE(log.text().find("2: has no lung mask"), std::string::npos) << log.text();
}

TEST(FindCases, DoesWithoutLungMasks) {
  const test::TemporaryFolder folder;
  touch(folder / "rp_im/1.nii");
  touch(folder / "rp_msk/1.nii");
  EXPECT_FALSE(find_cases(folder.path())[0].lung_mask);
}

TEST(FindCases, TakesASubfolderAsADicomSeries) {
  const test::TemporaryFolder folder;
  touch(folder / "rp_im/series 1/slice0001");
  touch(folder / "rp_msk/series 1.nii.gz");
  const auto cases = find_cases(folder.path());
  ASSERT_EQ(cases.size(), 1U);
  EXPECT_EQ(cases[0].name, "series 1");
  EXPECT_EQ(cases[0].image, folder / "rp_im/series 1");
}

TEST(FindCases, ASegmentationOfSlicerIsCalledAsItsImage) {
  const test::TemporaryFolder folder;
  touch(folder / "rp_im/a.nii");
  touch(folder / "rp_msk/a.seg.nrrd");
  touch(folder / "rp_lung_msk/a.SEG.NRRD");
  const auto cases = find_cases(folder.path());
  ASSERT_EQ(cases.size(), 1U);
  EXPECT_EQ(cases[0].name, "a");
  EXPECT_EQ(cases[0].lesion_mask, folder / "rp_msk/a.seg.nrrd");
  EXPECT_EQ(cases[0].lung_mask, folder / "rp_lung_msk/a.SEG.NRRD");
}

TEST(FindCases, AZipIsAScanButNoMask) {
  const test::TemporaryFolder folder;
  touch(folder / "rp_im/a.zip");
  touch(folder / "rp_msk/a.nii");
  touch(folder / "rp_msk/labels.zip");
  CapturedLog log;
  EXPECT_EQ(names(find_cases(folder.path())), std::vector<std::string>{"a"});
  EXPECT_NE(log.text().find("labels.zip: is no .nii, .nii.gz, .nrrd or .nhdr file and is ignored"), std::string::npos)
      << log.text();
}

TEST(FindCases, TakesPatientsFromTheTable) {
  const test::TemporaryFolder folder;
  for (const char* name : {"a_0.nii", "a_1.nii", "b.nii", "c.nii"})
    touch(folder / "rp_im" / name), touch(folder / "rp_msk" / name);
  write_file(folder / "cases.csv", "slices,case,patient\n9,a_0,ann\n9,a_1,ann\n9,c,\n9,elsewhere,eve\n");
  CapturedLog log;
  const auto cases = find_cases(folder.path());
  EXPECT_EQ(cases[0].patient, "ann");
  EXPECT_EQ(cases[1].patient, "ann");
  EXPECT_EQ(cases[2].patient, "b");
  EXPECT_EQ(cases[3].patient, "c");
  EXPECT_NE(log.text().find("cases.csv: names no patient for case b"), std::string::npos) << log.text();
  EXPECT_NE(log.text().find("cases.csv: names no patient for case c"), std::string::npos) << log.text();
  EXPECT_EQ(log.text().find("a_0"), std::string::npos) << log.text();

  write_file(folder / "cases.csv", "case,patient\na_0,ann\na_0,bob\n");
  expect_error([&] { find_cases(folder.path()); }, {"cases.csv: gives case a_0 to two patients, ann and bob"});
  write_file(folder / "cases.csv", "case,name\na_0,ann\n");
  expect_error([&] { find_cases(folder.path()); },
               {"cases.csv: has the columns case,name, expected one named patient"});
}

TEST(FindCases, WarnsOnceWhenNothingSaysWhichCasesShareAPatient) {
  const test::TemporaryFolder folder;
  const auto log_of_finding = [&] {
    CapturedLog log;
    find_cases(folder.path());
    return log.text();
  };
  touch(folder / "rp_im/a.nii"), touch(folder / "rp_msk/a.nii");
  EXPECT_EQ(log_of_finding(), "");
  for (const char* name : {"b.nii", "c.nii"}) touch(folder / "rp_im" / name), touch(folder / "rp_msk" / name);
  const std::string log = log_of_finding();
  EXPECT_NE(log.find("cases.csv: is missing, so each of the 3 cases counts"), std::string::npos) << log;
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
  write_file(folder / "cases.csv", "case,patient\na,ann\nb,ann\nc,bob\n");
  EXPECT_EQ(log_of_finding(), "");
}

TEST(FindCases, RefusesWhatDoesNotBelongTogether) {
  const test::TemporaryFolder folder;
  const auto find = [&] { find_cases(folder.path()); };
  expect_error(find, {"holds no folder rp_im, expected images in rp_im/, lesion masks in rp_msk/"});
  fs::create_directory(folder / "rp_im");
  expect_error(find, {"holds no folder rp_msk"});
  fs::create_directory(folder / "rp_msk");
  expect_error(find, {"rp_im: holds no .nii, .nii.gz, .nrrd or .nhdr file"});

  touch(folder / "rp_im/1.nii.gz");
  expect_error(find, {"rp_im/1.nii.gz: has no lesion mask named 1 in ", "rp_msk; add the mask"});
  touch(folder / "rp_msk/1.nii.gz");
  touch(folder / "rp_msk/2.nii.gz");
  expect_error(find, {"rp_msk/2.nii.gz: has no image named 2 in ", "add the image or remove the mask"});
  fs::remove(folder / "rp_msk/2.nii.gz");
  touch(folder / "rp_lung_msk/3.nii.gz");
  expect_error(find, {"rp_lung_msk/3.nii.gz: has no image named 3"});
  fs::remove(folder / "rp_lung_msk/3.nii.gz");
  EXPECT_EQ(find_cases(folder.path()).size(), 1U);
  touch(folder / "rp_im/1.nii");
  expect_error(find, {"two files are named 1: ", "1.nii.gz", "1.nii", "remove or rename one"});
}

TEST(FindCases, RefusesANameThatIsNoText) {
  const test::TemporaryFolder folder;
  for (const char* where : {"rp_im", "rp_msk"}) {
    fs::create_directory(folder / where);
    touch(folder / where / "M\xFCller.nii");  // Latin-1
  }
  expect_error([&] { find_cases(folder.path()); }, {"ller.nii: its name is not UTF-8; rename it"});
}

TEST(ReadCases, TakesFilesRelativeToTheTable) {
  const test::TemporaryFolder folder;
  write_file(folder / "cases.csv",
             "case,patient,image,lesion_mask,lung_mask\nfirst,ann,a/ct.nii,a/lesion.nii,\nsecond,bob,/abs/ct.nii,b/"
             "lesion.nii,b/lung.nii\n");
  const auto cases = read_cases(folder / "cases.csv");
  EXPECT_EQ(cases[0], (CaseSource{"first", "ann", folder / "a/ct.nii", folder / "a/lesion.nii", {}}));
  EXPECT_EQ(cases[1], (CaseSource{"second", "bob", "/abs/ct.nii", folder / "b/lesion.nii", folder / "b/lung.nii"}));

  CapturedLog log;
  write_file(folder / "short.csv", "image,case,lesion_mask\nct.nii,one,lesion.nii\n");
  EXPECT_EQ(read_cases(folder / "short.csv")[0].patient, "one");
  EXPECT_NE(log.text().find("short.csv: names no patient for case one"), std::string::npos) << log.text();
}

TEST(ReadCases, RefusesAnIncompleteTable) {
  const test::TemporaryFolder folder;
  const fs::path table = folder / "t.csv";
  const auto read = [&] { read_cases(table); };
  expect_error(read, {"t.csv: cannot be read"});
  write_file(table, "case,image\n");
  expect_error(read, {"t.csv: has the columns case,image, expected one named lesion_mask"});
  write_file(table, "case,image,lesion_mask\n");
  expect_error(read, {"t.csv: names no case"});
  write_file(table, "case,image,lesion_mask\na,x.nii,y.nii\nb,,y.nii\n");
  expect_error(read, {"t.csv: row 2 has an empty image"});
  write_file(table, "case,image,lesion_mask\na,x.nii,m.nii\na,y.nii,m.nii\n");
  expect_error(read, {"two cases are named a: ", "x.nii and ", "y.nii"});
}

TEST(PairCases, WarnsOnceThatPatientsAreNotNamed) {
  const fs::path images[] = {"1.nii", "2.nii"}, masks[] = {"m1.nii", "m2.nii"};
  CapturedLog log;
  pair_cases(std::span(images).first(1), std::span(masks).first(1), {});
  EXPECT_EQ(log.text(), "");
  pair_cases(images, masks, {});
  EXPECT_NE(log.text().find("each of the 2 cases counts as a patient of its own"), std::string::npos) << log.text();
  EXPECT_EQ(std::ranges::count(log.text(), '\n'), 1) << log.text();
}

TEST(PairCases, PutsTheFilesTogether) {
  const fs::path images[] = {"x/ct1.nii.gz", "series/ct2/"}, masks[] = {"m1.nii", "m2.nii"},
                 lungs[] = {"l1.nii", "l2.nii"};
  const auto cases = pair_cases(images, masks, lungs);
  EXPECT_EQ(cases[0], (CaseSource{"ct1", "ct1", "x/ct1.nii.gz", "m1.nii", "l1.nii"}));
  EXPECT_EQ(pair_cases(images, masks, {})[1], (CaseSource{"ct2", "ct2", "series/ct2/", "m2.nii", {}}));
  EXPECT_THROW(pair_cases(images, std::span(masks).first(1), {}), UsageError);
  EXPECT_THROW(pair_cases(images, masks, std::span(lungs).first(1)), UsageError);
  const fs::path same[] = {"a/ct.nii", "b/ct.nii.gz"};
  expect_error([&] { pair_cases(same, masks, {}); }, {"two cases are named ct: a/ct.nii and b/ct.nii.gz"});
}

}  // namespace
}  // namespace pulmoseg::prepare
