// Files of torch.save against torch.load; and those that are damaged, or would run something.
#include "framework/tensor/torch_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "framework/base/error.h"
#include "framework/tensor/safetensors.h"
#include "framework/tensor/weights.h"
#include "framework/tensor/zip_archive.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

class TorchFile : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!test::python()) return;
    const std::string command =
        fmt::format("'{}' {}/tests/tensor/torch_file_reference.py {}", *test::python(), THAW_SOURCE_DIR, folder.string());
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  static void TearDownTestSuite() { fs::remove_all(folder); }
  inline static const fs::path folder = fs::temp_directory_path() / fmt::format("thaw-torch-file-{}", ::getpid());

  // Equal in names, dtypes, shapes and every bit.
  template <typename Ours>
  static void expect_equal(const Ours& ours, const fs::path& reference) {
    const SafetensorsFile theirs(reference);
    EXPECT_EQ(ours.names(), theirs.names()) << reference;
    for (const std::string& name : theirs.names()) {
      if (!ours.has(name)) continue;
      const at::Tensor found = ours.tensor(name), expected = theirs.tensor(name);
      EXPECT_EQ(found.scalar_type(), expected.scalar_type()) << reference << name;
      EXPECT_TRUE(found.is_contiguous()) << name;
      EXPECT_TRUE(at::equal(found, expected)) << reference << " " << name;
    }
  }
  static std::string refusal_of(const fs::path& path) {
    try {
      const TensorFile file = read_torch_file(path);
      for (const std::string& name : file.names()) (void)file.tensor(name).sizes();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data) << error.what();
      EXPECT_NE(std::string(error.what()).find(path.filename()), std::string::npos) << error.what();
      return error.what();
    }
    return "accepted";
  }
};

TEST_F(TorchFile, ReadsWhatTorchLoads) {
  THAW_NEEDS_PYTHON();
  for (const char* name : {"dtypes", "views", "nested", "module", "empty"})
    for (const char* kind : {"", "legacy_"}) {
      const fs::path base = folder / fmt::format("{}{}", kind, name);
      const TensorFile file = read_torch_file(base.string() + ".pt");
      expect_equal(file, base.string() + ".safetensors");
      EXPECT_EQ(file.values(), JsonFile(fs::path(base.string() + ".json")).raw()) << base;
    }
}

TEST_F(TorchFile, MapsWhatLiesContiguousAndAligned) {
  THAW_NEEDS_PYTHON();
  const TensorFile views = read_torch_file(folder / "views.pt");
  for (const char* mapped : {"base", "rows", "parameter", "last", "odd", "one"}) EXPECT_TRUE(views.maps(mapped)) << mapped;
  for (const char* copied : {"transposed", "column", "steps", "diagonal", "none", "permuted", "repeated", "half"})
    EXPECT_FALSE(views.maps(copied)) << copied;
  // Views that share a storage share its memory.
  const auto address = [&](const char* name) { return static_cast<const float*>(views.tensor(name).data_ptr()); };
  EXPECT_EQ(address("rows"), address("base") + 20);
  EXPECT_EQ(address("parameter"), address("base") + 10);
}

TEST_F(TorchFile, WeightsFindTheFile) {
  THAW_NEEDS_PYTHON();
  expect_equal(Weights(folder / "sharded"), folder / "sharded.safetensors");
  const fs::path model = folder / "model";
  fs::create_directories(model);
  fs::copy_file(folder / "module.pt", model / "tiny.pt");
  expect_equal(Weights(model), folder / "module.safetensors");
  expect_equal(Weights(model / "tiny.pt"), folder / "module.safetensors");
  fs::copy_file(folder / "legacy_nested.pt", model / "pytorch_model.bin");
  expect_equal(Weights(model), folder / "nested.safetensors");
  EXPECT_EQ(Weights(model).values()["dims"]["n_mels"], 80);
  fs::copy_file(folder / "dtypes.safetensors", model / "model.safetensors");
  expect_equal(Weights(model), folder / "dtypes.safetensors");
  EXPECT_THROW(Weights(folder / "refused"), ModelError);  // many .pt files: which one?
}

TEST_F(TorchFile, RowsUnderOtherNames) {
  THAW_NEEDS_PYTHON();
  const Weights weights = Weights(folder / "views.pt").renamed({{"a", {"base"}}, {"b", {"base", 2, 3}}});
  const Weights again = weights.renamed({{"c", {"b", 1, 2}}, {"d", {"b"}}});
  EXPECT_EQ(again.names(), (std::vector<std::string>{"c", "d"}));
  EXPECT_TRUE(at::equal(again.tensor("c"), weights.tensor("a").slice(0, 3, 5)));
  EXPECT_TRUE(at::equal(again.tensor("d"), weights.tensor("a").slice(0, 2, 5)));
  EXPECT_TRUE(again.maps("c"));
  EXPECT_THROW(weights.renamed({{"e", {"b", 1, 3}}}), ModelError);
  EXPECT_THROW(weights.renamed({{"e", {"base"}}}), ModelError);
}

TEST_F(TorchFile, RunsNothingAndNamesWhatItRefuses) {
  THAW_NEEDS_PYTHON();
  const Json refused = JsonFile(folder / "refused.json").raw();
  EXPECT_GT(refused.size(), 40U);
  for (const auto& [name, phrases] : refused.items()) {
    const std::string message = refusal_of(folder / "refused" / (name + ".pt"));
    for (const auto& phrase : phrases)
      EXPECT_NE(message.find(phrase.get<std::string>()), std::string::npos) << name << ": expected: " << phrase << "\nfound: " << message;
  }
  EXPECT_FALSE(fs::exists(folder / "marker"));
}

// An archive of more than 4 GiB has its numbers elsewhere (ZIP64); one with a comment does not end where its directory does.
TEST(ZipArchive, LargeOnesAndComments) {
  for (const auto& [file, member] : {std::pair("zip64", "x/a"), std::pair("comment", "x/a"), std::pair("plain", "x/data.pkl")}) {
    const std::string bytes = read_file(fmt::format("{}/tests/fuzz/corpus/zip_archive/{}.zip", THAW_SOURCE_DIR, file));
    const std::map<std::string, ZipMember> members = read_zip_directory(bytes, file);
    ASSERT_TRUE(members.contains(member)) << file;
    EXPECT_EQ(bytes.substr(members.at(member).begin, members.at(member).size), "abc") << file;
  }
}

TEST_F(TorchFile, DamagedBytesNeverCrash) {
  THAW_NEEDS_PYTHON();
  std::mt19937_64 random(5);
  for (const char* name : {"module.pt", "legacy_module.pt", "views.pt", "legacy_nested.pt"}) {
    const std::string whole = read_file(folder / name);
    int refused = 0;
    for (int round = 0; round < 500; ++round) {
      std::string bytes = whole;
      for (std::uint64_t edit = 0; edit <= random() % 3; ++edit) bytes[random() % bytes.size()] = static_cast<char>(random());
      if (random() % 4 == 0) bytes.resize(random() % bytes.size());
      std::ofstream(folder / "x.pt", std::ios::binary) << bytes;  // thousands of files: no flush to disk
      refused += refusal_of(folder / "x.pt") != "accepted" ? 1 : 0;
    }
    EXPECT_GT(refused, 150) << name;
  }
}

}  // namespace
}  // namespace thaw
