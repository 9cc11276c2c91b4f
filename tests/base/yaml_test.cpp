// What would be lost: a wrong value without its line, a key silently read twice, text that another parser reads as a number.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/base/yaml.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

std::string error_of(
    const std::string& yaml, const std::function<void(const YamlView&)>& use = [](const YamlView&) {}) {
  try {
    const YamlDocument document("r.yaml", yaml);
    use(document.view());
  } catch (const RecipeError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Yaml, names_line_path_expected_and_found) {
  EXPECT_EQ(error_of("a:\n  b: 1\n  c: two\n", [](const YamlView& v) { v["a"]["c"].number(); }),
            "r.yaml:3: a.c: expected a number, found two");
  EXPECT_EQ(error_of("a:\n  - 1\n  - {b: [x]}\n", [](const YamlView& v) { v["a"].items()[1]["b"].integer(); }),
            "r.yaml:3: a[1].b: expected a whole number, found a list of 1");
  EXPECT_EQ(error_of("a: 1\n", [](const YamlView& v) { v["a"]["b"]; }), "r.yaml:1: a: expected a section of keys, found 1");
  EXPECT_EQ(error_of("a: 'yes'\n", [](const YamlView& v) { v["a"].boolean(); }), "r.yaml:1: a: expected true or false, found \"yes\"");
  EXPECT_EQ(error_of("a: yes\n", [](const YamlView& v) { v["a"].boolean(); }), "r.yaml:1: a: expected true or false, found yes");
  EXPECT_EQ(error_of("a:\n\n\nb: 1", [](const YamlView& v) { v["a"].number(); }), "r.yaml:1: a: expected a number, found nothing");
}

TEST(Yaml, numbers_are_what_every_version_of_yaml_reads) {
  const auto number = [](const std::string& text) { return YamlDocument("r", "a: " + text).view()["a"].number(); };
  EXPECT_EQ(number("2e-5"), 2e-5);
  EXPECT_EQ(number("2.0E-05"), 2e-5);
  EXPECT_EQ(number("-.5"), -0.5);
  EXPECT_EQ(number("+3"), 3);
  EXPECT_EQ(number("0"), 0);
  EXPECT_EQ(number("0.25"), 0.25);
  const auto wrong = [](const std::string& text) { return error_of("a: " + text, [](const YamlView& v) { v["a"].number(); }); };
  EXPECT_EQ(wrong("1_000"), "r.yaml:1: a: expected a number, found 1_000; write 1000 without underscores");
  EXPECT_EQ(wrong("010"), "r.yaml:1: a: expected a number, found 010; write 10 without leading zeros");
  EXPECT_EQ(wrong("'5'"), "r.yaml:1: a: expected a number, found \"5\"; write 5 without quotes");
  for (const char* text :
       {"0x10", "0o17", "1:30", ".inf", "-.nan", "nan", "inf", "1e400", "1 2", "--1", "1e", "e1", ".", "-", "1.2.3", "0b1", "1e5x"})
    EXPECT_NE(wrong(text), "no error") << text;
  const auto whole = [](const std::string& text) { return YamlDocument("r", "a: " + text).view()["a"].integer(); };
  EXPECT_EQ(whole("1e3"), 1000);
  EXPECT_EQ(whole("2.0"), 2);
  EXPECT_EQ(error_of("a: 2.5", [](const YamlView& v) { v["a"].integer(); }), "r.yaml:1: a: expected a whole number, found 2.5");
  EXPECT_EQ(YamlDocument("r", "a: 18446744073709551615").view()["a"].unsigned_integer(), UINT64_MAX);
  EXPECT_NE(error_of("a: 18446744073709551616", [](const YamlView& v) { v["a"].unsigned_integer(); }), "no error");
  EXPECT_NE(error_of("a: -1", [](const YamlView& v) { v["a"].unsigned_integer(); }), "no error");
}

TEST(Yaml, refuses_what_would_be_read_in_two_ways) {
  EXPECT_EQ(error_of("a: 1\nb:\n  lr: 1\n  c: 2\n  lr: 3\n"), "r.yaml:5: b.lr: given twice, first on line 3; keep one");
  EXPECT_EQ(error_of("a:\n  - {x: 1, y: [{z: 1, z: 2}]}\n"), "r.yaml:2: a[0].y[0].z: given twice, first on line 2; keep one");
  EXPECT_NE(error_of("a: 1\n---\nb: 1\n").find("r.yaml:2: a second document"), std::string::npos);
  EXPECT_NE(error_of("a: !!python/object:os.system x\n").find("r.yaml:1: the tag"), std::string::npos);
  EXPECT_NE(error_of("a: 1\n\tb: 2\n").find("r.yaml:2: not valid YAML"), std::string::npos);
  EXPECT_NE(error_of("a: [1, 2\nb: 3\n").find("not valid YAML"), std::string::npos);
  EXPECT_NE(error_of("a: &x [*x]\n").find("inside what it refers to"), std::string::npos);
  EXPECT_NE(error_of("a: *nothing\n"), "no error");
  EXPECT_NE(error_of("[a, b]: 1\n").find("a key must be text"), std::string::npos);
  EXPECT_NE(error_of("~: 1\n").find("a key must be text"), std::string::npos);
  EXPECT_EQ(error_of("a: 1\nb: \xff\n"), "r.yaml:2: bytes that are not UTF-8; save the file as UTF-8");
  EXPECT_EQ(error_of("a: 1\nb: \x04 c\n"), "r.yaml:2: the control character 0x04; write it as \"\\x04\"");
  EXPECT_NE(error_of("a: \"x\\0y\"\n").find("zero byte"), std::string::npos);
  EXPECT_NE(error_of("- a\n- b\n").find("expected a section of keys"), std::string::npos);
  EXPECT_EQ(error_of(""), "no error");
  EXPECT_NE(error_of("a: " + std::string(100'000, '[')), "no error");
  EXPECT_NE(error_of("a: " + std::string(2000, '{')), "no error");
  EXPECT_NE(error_of(std::string(2 << 20, 'a')), "no error");
}

TEST(Yaml, alias_bombs_are_refused_quickly) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 10; ++j) bomb += fmt::format("{}*a{}", j == 0 ? "" : ", ", i - 1);
    bomb += "]\n";
  }
  EXPECT_NE(error_of(bomb).find("aliases counted in full"), std::string::npos);
}

TEST(Yaml, many_keys_are_read_quickly) {
  std::string many;
  for (int i = 0; i < 49'000; ++i) many += fmt::format("k{}: 1\n", i);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(many), "no error");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  EXPECT_EQ(error_of(many + "k7: 1\n"), "r.yaml:49001: k7: given twice, first on line 8; keep one");
}

TEST(Yaml, merge_keys_and_aliases) {
  const YamlDocument document("r.yaml",
                              "base: &b {x: 1, y: 2}\nmore: &m {y: 5, z: 6}\none: {<<: *b, x: 9}\ntwo:\n  <<: [*b, *m]\nsame: *b\n");
  const YamlView v = document.view();
  EXPECT_EQ(v["one"]["x"].integer(), 9);
  EXPECT_EQ(v["one"]["y"].integer(), 2);
  EXPECT_EQ(v["two"]["y"].integer(), 2);
  EXPECT_EQ(v["two"]["z"].integer(), 6);
  EXPECT_EQ(v["same"]["x"].integer(), 1);
  EXPECT_EQ(v["two"]["z"].where(), "r.yaml:2: two.z");
  EXPECT_NE(error_of("a: {<<: 3}\n").find("'<<' merges"), std::string::npos);
}

TEST(Yaml, tells_keys_that_nobody_asked_for) {
  const YamlDocument document("r.yaml", "a: 1\nb:\n  c: 2\n  d: 3\nlist:\n  - {e: 1, f: 2}\nwhole: {p: 1}\n");
  const YamlView v = document.view();
  v["a"];
  v["b"]["c"];
  v["list"].items()[0]["e"];
  v["absent"]["inner"];
  std::vector<std::string> unknown;
  for (const YamlView& u : document.unknown()) unknown.push_back(u.where());
  EXPECT_EQ(unknown, (std::vector<std::string>{"r.yaml:4: b.d", "r.yaml:6: list[0].f", "r.yaml:7: whole"}));
  EXPECT_EQ(document.known_keys(), (std::vector<std::string>{"a", "b", "b.c", "list", "list[0].e", "absent", "absent.inner"}));
}

TEST(Yaml, command_line_sets_values_and_says_so) {
  YamlDocument document("r.yaml", "a: 1\nb: {c: 2}\nempty:\n");
  document.set("a=5");
  document.set("b.d=[no, yes]");
  document.set("new.deep.key={x: 'a b'}");
  document.set("empty.k=v=w");
  document.set("nothing=");
  const YamlView v = document.view();
  EXPECT_EQ(v["a"].integer(), 5);
  EXPECT_EQ(v["b"]["c"].integer(), 2);
  EXPECT_EQ(v["b"]["d"].items()[0].text(), "no");
  EXPECT_EQ(v["new"]["deep"]["key"]["x"].text(), "a b");
  EXPECT_EQ(v["empty"]["k"].text(), "v=w");
  EXPECT_TRUE(v["nothing"].null());
  EXPECT_EQ(v["b"]["d"].where(), "command line: b.d");
  for (const char* wrong : {"a", "=1", ".a=1", "a.=1", "a..b=1", "a.b=1", "b=[1", "b={x: 1, x: 2}"}) {
    try {
      document.set(wrong);
      ADD_FAILURE() << wrong;
    } catch (const RecipeError& error) {
      EXPECT_EQ(std::string(error.what()).rfind("command line: ", 0), 0u) << error.what();
    }
  }
}

// PyYAML reads YAML 1.1, where no, 1:30, 2e-5 and 0o17 mean something else than in 1.2.
TEST(Yaml, what_we_write_pyyaml_reads_alike) {
  THAW_NEEDS_PYTHON();
  std::vector<std::string> texts{"no",
                                 "Yes",
                                 "y",
                                 "N",
                                 "on",
                                 "OFF",
                                 "true",
                                 "null",
                                 "~",
                                 "",
                                 " ",
                                 " lead",
                                 "trail ",
                                 "1",
                                 "-1",
                                 "1.0",
                                 "1e5",
                                 "2e-05",
                                 "0x1F",
                                 "0o17",
                                 "017",
                                 "0b11",
                                 "1_000",
                                 "1:30",
                                 "3h50m",
                                 "12:30:45",
                                 ".5",
                                 "5.",
                                 ".inf",
                                 "-.INF",
                                 ".nan",
                                 "nan",
                                 "inf",
                                 "2001-01-01",
                                 "2001-12-14t21:59:43.10-05:00",
                                 "=",
                                 "<<",
                                 "-",
                                 "- a",
                                 "a: b",
                                 "a:",
                                 ":a",
                                 "a #b",
                                 "#",
                                 "[",
                                 "]",
                                 "{a}",
                                 "a,b",
                                 "*a",
                                 "&a",
                                 "!a",
                                 "!!str",
                                 "|",
                                 ">",
                                 "%",
                                 "@a",
                                 "`a",
                                 "'",
                                 "''",
                                 "it's",
                                 "\"",
                                 "\\",
                                 "a\nb",
                                 "a\n",
                                 "\n",
                                 "\t",
                                 "a\tb",
                                 "ä",
                                 "日本語",
                                 "😀",
                                 "\xc2\x85",
                                 "\xe2\x80\xa8",
                                 "\xef\xbb\xbf",
                                 "\x7f",
                                 "\x01",
                                 "---",
                                 "...",
                                 "--- a",
                                 "?",
                                 "? a",
                                 "a?",
                                 "e5",
                                 "E1",
                                 "a/b",
                                 "/abs/path",
                                 "../up",
                                 "org/name@main",
                                 "runs/x-42",
                                 "C:\\dir",
                                 "x y",
                                 "a\r\nb",
                                 "\xef\xbf\xbe",
                                 "Null",
                                 "NaN",
                                 "_1",
                                 "1__0",
                                 "+.5",
                                 "0",
                                 "00",
                                 "190:20:30",
                                 "685.230_15e+03"};
  std::mt19937 random(7);
  const std::string alphabet = "abnoyfe0159._-+:#,[]{}&*!|>'\"%@` \n\t\\~=<?/xXoO";
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (std::size_t n = random() % 7; n > 0; --n) text += alphabet[random() % alphabet.size()];
    texts.push_back(text);
  }
  YamlNode root = YamlNode::map();
  Json expected;
  YamlNode& list = root.add("list", YamlNode::list());
  for (const std::string& text : texts) list.items.push_back(yaml_text(text));
  expected["list"] = texts;
  YamlNode keys = YamlNode::map();
  Json expected_keys = Json::object();
  for (const std::string& text : texts) {
    if (expected_keys.contains(text)) continue;
    keys.add(text, yaml_number(0.5));
    expected_keys[text] = 0.5;
  }
  root.add("keys", std::move(keys));
  expected["keys"] = expected_keys;
  YamlNode numbers = YamlNode::list();
  Json expected_numbers = Json::array();
  for (int i = 0; i < 2000; ++i) {
    double value = std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 200) - 120);
    if (i < 6) value = std::array{2e-5, 1.0, 0.0, 1e22, 1e-300, 5e15}[static_cast<std::size_t>(i)];
    numbers.items.push_back(yaml_number(value));
    expected_numbers.push_back(value);
  }
  YamlNode inner = YamlNode::map();
  inner.add("numbers", std::move(numbers));
  YamlNode maps = YamlNode::list();
  maps.items.push_back(inner);
  root.add("maps", std::move(maps));
  expected["maps"] = Json::array({{{"numbers", expected_numbers}}});

  const std::string yaml = write_yaml(root);
  const auto base = std::filesystem::temp_directory_path() / fmt::format("thaw_yaml_{}", ::getpid());
  const std::string yaml_file = base.string() + ".yaml", json_file = base.string() + ".json";
  write_file_atomically(yaml_file, yaml);
  write_file_atomically(json_file, expected.dump());
  const std::string program =
      "import yaml, json, sys\n"
      "a = yaml.safe_load(open(sys.argv[1], encoding='utf-8', newline='')); b = json.load(open(sys.argv[2]))\n"
      "bad = [(x, y) for x, y in zip(a['list'], b['list']) if type(x) != str or x != y]\n"
      "bad += [(x, y) for x, y in zip(a['maps'][0]['numbers'], b['maps'][0]['numbers']) if type(x) != float or x != y]\n"
      "bad += list(set(a['keys']) ^ set(b['keys']))\n"
      "print(bad[:20]) if bad or a != b else None\n"
      "sys.exit(bool(bad) or a != b)\n";
  write_file_atomically(base.string() + ".py", program);
  EXPECT_EQ(std::system(fmt::format("'{}' {}.py {} {}", *test::python(), base.string(), yaml_file, json_file).c_str()), 0);
  for (const char* end : {".yaml", ".json", ".py"}) std::filesystem::remove(base.string() + end);

  // And our own parser.
  const YamlDocument again("again", yaml);
  const auto items = again.view()["list"].items();
  ASSERT_EQ(items.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(items[i].text(), texts[i]);
  const auto read = again.view()["maps"].items()[0]["numbers"].items();
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].number(), expected_numbers[i].get<double>());
}

TEST(Yaml, numbers_are_written_as_floats) {
  EXPECT_EQ(yaml_number(2e-5).text, "2.0e-05");
  EXPECT_EQ(yaml_number(3).text, "3.0");
  EXPECT_EQ(yaml_number(0.1).text, "0.1");
}

}  // namespace
}  // namespace thaw
