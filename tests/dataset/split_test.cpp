#include "pulmoseg/dataset/split.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "dataset/small_dataset.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "support/data.hpp"

namespace pulmoseg::dataset {
namespace {

namespace fs = std::filesystem;

Dataset make_dataset(const test::TemporaryFolder& folder, const std::vector<test::SmallCase>& cases,
                     const char* name = "set") {
  test::write_small_dataset(folder / name, cases, 1);
  return Dataset::open(folder / name);
}

/// Slices per patient as in a set of real scans: 14 patients, two of them with two scans.
std::vector<test::SmallCase> real_sizes() {
  std::vector<test::SmallCase> cases;
  const std::int64_t sizes[] = {159, 120, 118, 113, 112, 93, 93, 105, 105, 22, 9, 24, 23, 90, 26, 54};
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    const std::string number = std::to_string(i);
    const std::size_t patient = i == 1 ? 0 : i == 5 ? 4 : i;
    cases.push_back({std::string("case").append(number), std::string("p").append(std::to_string(patient)), sizes[i]});
  }
  return cases;
}

template <class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string letters(const Split& split) {
  std::string text;
  for (const Part part : split.parts) text += name(part)[1];  // r, a, e
  return text;
}

TEST(SplitBySlice, HasPartsOfSeventyFifteenFifteen) {
  const test::TemporaryFolder folder;
  // {slices, training, validation, test}: training and validation rounded half up, test the rest, no part empty.
  const std::int64_t expected[][4] = {{3, 1, 1, 1},   {4, 2, 1, 1},      {5, 3, 1, 1},         {10, 7, 2, 1},
                                      {36, 25, 5, 6}, {100, 70, 15, 15}, {1266, 886, 190, 190}};
  for (const auto& [slices, training, validation, test] : expected) {
    const auto dataset = make_dataset(folder, {{"a", "a", slices}}, std::to_string(slices).c_str());
    const auto split = split_by_slice(dataset, 0);
    EXPECT_EQ(std::ssize(split.rows(Part::training)), training) << slices;
    EXPECT_EQ(std::ssize(split.rows(Part::validation)), validation) << slices;
    EXPECT_EQ(std::ssize(split.rows(Part::test)), test) << slices;
    EXPECT_EQ(std::ssize(split.parts), slices);
  }
}

TEST(SplitBySlice, IsTheSameEverywhere) {
  // From a Mersenne Twister written in Python after Matsumoto and Nishimura's paper.
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder, {{"a", "a", 20}});
  EXPECT_EQ(letters(split_by_slice(dataset, 0)), "rarreerrrerrrrrararr");
  EXPECT_EQ(letters(split_by_slice(dataset, 1)), "reerrrrarrarrrerrarr");
  EXPECT_EQ(split_by_slice(dataset, 7), split_by_slice(dataset, 7));
  EXPECT_TRUE(split_by_slice(dataset, 7).patients_leak(dataset));
}

TEST(SplitBySlice, RefusesTooFewSlices) {
  const test::TemporaryFolder folder;
  const auto one = make_dataset(folder, {{"a", "a", 1}}, "one"), two = make_dataset(folder, {{"a", "a", 2}}, "two");
  EXPECT_NE(message_of([&] { split_by_slice(one, 0); }).find("has 1 slice, expected at least 3"), std::string::npos);
  EXPECT_NE(message_of([&] { split_by_slice(two, 0); }).find("has 2 slices, expected at least 3"), std::string::npos);
}

TEST(SplitByPatient, TestsEveryPatientOnceAndLeaksNone) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder, real_sizes());
  for (const int folds : {2, 3, 5, 14}) {
    std::map<std::string, int> tested;
    for (int fold = 1; fold <= folds; ++fold) {
      const auto split = split_by_patient(dataset, 3, fold, folds);
      EXPECT_FALSE(split.patients_leak(dataset));
      EXPECT_EQ(split.kind, "patient");
      EXPECT_FALSE(split.rows(Part::training).empty());
      EXPECT_FALSE(split.rows(Part::validation).empty());
      std::set<std::string> patients;
      for (const auto row : split.rows(Part::test))
        patients.insert(dataset.slices()[static_cast<std::size_t>(row)].patient);
      for (const auto& patient : patients) ++tested[patient];
    }
    EXPECT_EQ(tested.size(), 14U);
    for (const auto& [patient, times] : tested) EXPECT_EQ(times, 1) << patient;
  }
}

TEST(SplitByPatient, BalancesItsFolds) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder, real_sizes());
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (int fold = 1; fold <= 5; ++fold) {
      const auto share = static_cast<double>(split_by_patient(dataset, seed, fold, 5).rows(Part::test).size()) / 1266;
      EXPECT_GT(share, 0.10) << seed << ' ' << fold;  // a fifth would be 0.2; the largest patient alone is 0.22
      EXPECT_LT(share, 0.31) << seed << ' ' << fold;
    }
  }
}

TEST(SplitByPatient, ValidatesOnTheNextFold) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder, real_sizes());
  for (int fold = 1; fold <= 5; ++fold) {
    EXPECT_EQ(split_by_patient(dataset, 1, fold, 5).rows(Part::validation),
              split_by_patient(dataset, 1, fold % 5 + 1, 5).rows(Part::test));
  }
}

TEST(SplitByPatient, OfTwoFoldsValidatesOnAFewPatients) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder, real_sizes());
  const auto split = split_by_patient(dataset, 5, 1, 2);
  const auto validation = split.rows(Part::validation).size(), training = split.rows(Part::training).size();
  EXPECT_LE(static_cast<double>(validation), 0.15 * static_cast<double>(validation + training));
  EXPECT_GT(validation, 0U);
}

TEST(SplitByPatient, IsTheSameEverywhere) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(
      folder, {{"a", "p1", 4}, {"b", "p2", 3}, {"c", "p1", 2}, {"d", "p3", 5}, {"e", "p4", 1}, {"f", "p5", 3}});
  EXPECT_EQ(letters(split_by_patient(dataset, 0, 1, 3)), "aaaarrraaeeeeeerrr");
  EXPECT_EQ(letters(split_by_patient(dataset, 1, 1, 3)), "eeeerrreeaaaaaarrr");
  EXPECT_EQ(letters(split_by_patient(dataset, 0, 2, 2)), "eeeerrreerrrrraeee");
}

TEST(SplitByPatient, DoesNotDependOnTheOrderOfTheCases) {
  const test::TemporaryFolder folder;
  auto cases = real_sizes();
  const auto forward = make_dataset(folder, cases, "forward");
  std::reverse(cases.begin(), cases.end());
  const auto backward = make_dataset(folder, cases, "backward");
  const auto tested = [](const Dataset& dataset) {
    std::set<std::string> patients;
    for (const auto row : split_by_patient(dataset, 9, 2, 5).rows(Part::test))
      patients.insert(dataset.slices()[static_cast<std::size_t>(row)].patient);
    return patients;
  };
  EXPECT_EQ(tested(forward), tested(backward));
}

TEST(SplitByPatient, RefusesWhatCannotBeSplit) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder, {{"a", "p1", 9}, {"b", "p2", 1}, {"c", "p3", 1}});
  const auto message = [&](int fold, int folds) {
    return message_of([&] { split_by_patient(dataset, 0, fold, folds); });
  };
  EXPECT_NE(message(1, 4).find("has 3 patients, expected at least 4 for 4 folds"), std::string::npos) << message(1, 4);
  EXPECT_NE(message(4, 3).find("fold 4/3 does not exist"), std::string::npos) << message(4, 3);
  EXPECT_THROW(split_by_patient(dataset, 0, 0, 3), UsageError);
  EXPECT_THROW(split_by_patient(dataset, 0, 1, 1), UsageError);
  // p1 is a fold of its own: tested on the other two, it alone is left.
  EXPECT_NE((message(1, 2) + message(2, 2)).find("leaves no patient for training; choose more folds"),
            std::string::npos);

  const auto two = make_dataset(folder, {{"a", "p1", 9}, {"b", "p2", 9}}, "two");
  EXPECT_NE(message_of([&] { split_by_patient(two, 0, 1, 2); }).find("has 2 patients, expected at least 3"),
            std::string::npos);
}

TEST(SplitFile, ComesBackAsItWas) {
  const test::TemporaryFolder folder;
  const auto dataset = make_dataset(folder, {{"a, b", "p\"1\"", 4}, {"c", "p2", 3}, {"d", "p3", 3}});
  for (const auto& split : {split_by_slice(dataset, 18446744073709551615ULL), split_by_patient(dataset, 4, 2, 3)}) {
    write_split(split, dataset, folder / "split.csv");
    EXPECT_EQ(read_split(folder / "split.csv", dataset), split);
  }
  const std::string text = read_file(folder / "split.csv");
  EXPECT_TRUE(text.starts_with("row,case,patient,slice,part,kind,seed,fold,dataset\n0,\"a, b\",\"p\"\"1\"\"\",0,"))
      << text;
  EXPECT_NE(text.find(",patient,4,2/3," + dataset.fingerprint() + "\n"), std::string::npos) << text;
}

TEST(SplitFile, IsRefusedForAnotherDatasetOrWhenDamaged) {
  const test::TemporaryFolder folder;
  const std::vector<test::SmallCase> cases{{"a", "p1", 4}, {"c", "p2", 3}};
  const auto dataset = make_dataset(folder, cases),
             longer = make_dataset(folder, {{"a", "p1", 4}, {"c", "p2", 4}}, "longer"),
             other = make_dataset(folder, {{"a", "p1", 3}, {"c", "p2", 4}}, "other");
  const fs::path file = folder / "split.csv";
  write_split(split_by_slice(dataset, 0), dataset, file);
  const auto message = [&](const Dataset& against) { return message_of([&] { read_split(file, against); }); };
  EXPECT_NE(message(longer).find("has 7 slices, expected the 8 of"), std::string::npos) << message(longer);
  EXPECT_NE(message(other).find("it was made for another dataset"), std::string::npos) << message(other);

  const std::string text = read_file(file);
  const auto damaged = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    EXPECT_NE(changed.find(from), std::string::npos);
    changed.replace(changed.find(from), from.size(), to);
    write_file(file, changed);
    return message(dataset);
  };
  EXPECT_NE(damaged(",training,", ",train,").find("says part 'train', expected training, validation or test"),
            std::string::npos);
  EXPECT_NE(damaged("\n1,a,p1,1,", "\n1,a,p1,2,").find("row 1 is slice 2 of case a"), std::string::npos);
  EXPECT_NE(damaged(",slice,0,", ",slice,zero,").find("says kind 'slice', seed 'zero'"), std::string::npos);
  EXPECT_NE(damaged("row,case", "row,name").find("expected one named case"), std::string::npos);
}

TEST(Part, HasNames) {
  for (const Part part : {Part::training, Part::validation, Part::test}) EXPECT_EQ(parse_part(name(part)), part);
  EXPECT_EQ(name(Part::validation), "validation");
  EXPECT_FALSE(parse_part("all"));
}

}  // namespace
}  // namespace pulmoseg::dataset
