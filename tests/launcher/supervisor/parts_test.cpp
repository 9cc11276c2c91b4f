// The supervisor's small parts: hosts, decisions, ranks' output, messages.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/base/secret.h"
#include "launcher/supervisor/decision.h"
#include "launcher/supervisor/hosts.h"
#include "launcher/supervisor/messages.h"
#include "launcher/supervisor/mpirun.h"
#include "launcher/supervisor/output.h"

namespace thaw::test {
namespace {

using Hosts = std::vector<Host>;

TEST(HostsOf, TheCommandLine) {
  EXPECT_EQ(parse_hosts("a:4,b"), (Hosts{{"a", 4}, {"b", 1}}));
  EXPECT_EQ(parse_hosts("a,a:2"), (Hosts{{"a", 3}}));
  EXPECT_EQ(hosts_text(parse_hosts("a:4,b")), "a:4,b:1");
  for (const char* wrong : {"", "a:", "a:0", "a:x", "a:4,,b", ":3", "--mca:3", "a b:2", "a:99999999999"})
    EXPECT_THROW(parse_hosts(wrong), UsageError) << wrong;
}

TEST(HostsOf, AHostfile) {
  const fs::path file = fs::temp_directory_path() / fmt::format("hostfile-{}", ::getpid());
  std::ofstream(file) << "# ours\nnode1 slots=4 max_slots=8\n\nnode2\nnode1 slots=1 # more\n";
  EXPECT_EQ(read_hostfile(file), (Hosts{{"node1", 5}, {"node2", 1}}));
  std::ofstream(file) << "node1 slots=four\n";
  try {
    read_hostfile(file);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(":1: expected 'HOST slots=N'"), std::string::npos) << error.what();
  }
  fs::remove(file);
  EXPECT_THROW(read_hostfile(file), FileError);
}

TEST(HostsOf, Slurm) {
  EXPECT_EQ(expand_nodelist("n[1-3,07],m1"), (std::vector<std::string>{"n1", "n2", "n3", "n07", "m1"}));
  EXPECT_EQ(expand_nodelist("rack[1-2]n[08-10]-ib"),
            (std::vector<std::string>{"rack1n08-ib", "rack1n09-ib", "rack1n10-ib", "rack2n08-ib", "rack2n09-ib", "rack2n10-ib"}));
  EXPECT_EQ(expand_counts("2(x3),1"), (std::vector<int>{2, 2, 2, 1}));
  for (const char* wrong : {"n[1-", "n[x]", "n[3-1]", "n[]", "n[0-65535]x[0-65535]", "n[0-99999]"})
    EXPECT_THROW(expand_nodelist(wrong), UsageError) << wrong;
  for (const char* wrong : {"", "2(x", "0", "2(x3),a"}) EXPECT_THROW(expand_counts(wrong), UsageError) << wrong;
}

TEST(HostsOf, ARankIsByNameOrByItsSlot) {
  const Hosts hosts{{"node1.cluster", 2}, {"10.0.0.7", 2}, {"10.0.0.9", 1}};
  EXPECT_EQ(host_of(0, "node1", hosts), 0U);
  EXPECT_EQ(host_of(3, "whatever", hosts), 1U) << "not of a name that is listed: its number tells";
  EXPECT_EQ(host_of(4, "whatever", hosts), 2U);
  EXPECT_EQ(host_of(0, "10.0.0.9", hosts), 2U) << "addresses are compared whole";
}

AttemptEnd lost(Hosts left = {{"a", 4}}) {
  AttemptEnd end;
  end.exit_code = 137;
  end.cause = "rank 3 was killed";
  end.reached_a_step = true;
  end.left = std::move(left);
  return end;
}

TEST(Decide, WhatEndsAndWhatGoesOn) {
  AttemptEnd done;
  EXPECT_FALSE(decide(done, {}, false).again);
  EXPECT_EQ(decide(done, {}, false).exit_code, 0);

  EXPECT_TRUE(decide(lost(), {}, false).again);
  EXPECT_FALSE(decide(lost(), {}, true).again) << "the user wants it to stop";
  EXPECT_EQ(decide(lost(), {}, true).exit_code, 69) << "not mpirun's 137";

  for (const int code : {64, 65, 66, 73}) {
    AttemptEnd end = lost();
    end.exit_code = code;
    EXPECT_FALSE(decide(end, {}, false).again) << code;
    EXPECT_EQ(decide(end, {}, false).exit_code, code);
  }
  AttemptEnd io_error = lost();
  io_error.exit_code = 74;
  EXPECT_TRUE(decide(io_error, {}, false).again);
}

TEST(Decide, StoppedWithACheckpoint) {
  AttemptEnd end = lost();
  end.exit_code = 75;
  end.all_ended_well = true;
  EXPECT_EQ(decide(end, {}, true).exit_code, 75);
  end.all_ended_well = false;  // one of the ranks was killed while the others saved
  EXPECT_TRUE(decide(end, {}, false).again);
}

TEST(Decide, Limits) {
  Restarts restarts;
  restarts.done = 3;
  EXPECT_FALSE(decide(lost(), restarts, false).again);
  restarts = {};
  restarts.without_a_step = 2;
  EXPECT_FALSE(decide(lost(), restarts, false).again);
  restarts = {};
  restarts.min_ranks = 5;
  EXPECT_FALSE(decide(lost(), restarts, false).again);
  EXPECT_FALSE(decide(lost({}), {}, false).again) << "no host is left";
}

TEST(Untag, LinesAndWhatStandsInOneLine) {
  const auto parts = untag("[1,0]<stdout>:part[1,12]<stderr>:out [2,3] 1");
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].rank, 0);
  EXPECT_TRUE(parts[0].standard_output);
  EXPECT_EQ(parts[0].text, "part");
  EXPECT_EQ(parts[1].rank, 12);
  EXPECT_FALSE(parts[1].standard_output);
  EXPECT_EQ(parts[1].text, "out [2,3] 1");
  EXPECT_EQ(untag("mpirun noticed [x,1]<stderr>:").front().rank, -1);
  EXPECT_TRUE(untag("").empty());
}

TEST(OutputOfRanks, IsKeptByRank) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("output-{}", ::getpid());
  fs::create_directories(folder);
  std::vector<OutputLine> shown;
  Output output(folder / "output.log", folder, [&](const OutputLine& line) { shown.push_back(line); });
  output.look();  // there is no file yet
  std::ofstream file(folder / "output.log");
  file << "[1,0]<stderr>:one\n[1,3]<stderr>:tw" << std::flush;
  output.look();
  ASSERT_EQ(shown.size(), 1U);
  file << "o\x1b[2J\nmpirun noticed that process rank 3 with PID 0 on node vm exited on signal 9 (Killed).\n[1,3]<stdout>:no end"
       << std::flush;
  output.look(true);
  ASSERT_EQ(shown.size(), 4U);
  EXPECT_EQ(shown[1].text, "two\\x1b[2J") << "nothing commands the terminal";
  EXPECT_EQ(output.killed_by(3), "signal 9 (Killed)");
  EXPECT_EQ(output.killed_by(0), "");
  EXPECT_EQ(output.last_lines(3), (std::vector<std::string>{"two\\x1b[2J", "no end"}));
  EXPECT_EQ(read_file(folder / "rank-00003.log"), "two\\x1b[2J\nno end\n");
  EXPECT_EQ(read_file(folder / "rank-00000.log"), "one\n");
  for (int i = 0; i < 1000; ++i) file << "[1,0]<stderr>:" << i << "\n";
  file << std::flush;
  output.look(true);
  EXPECT_EQ(output.last_lines(0).back(), "999");
  EXPECT_LE(output.last_lines(0).size(), 20U);
  EXPECT_LE(output.recent().size(), 200U);
  fs::remove_all(folder);
}

TEST(Messages, ComeBackAsTheyWere) {
  Pulse pulse;
  pulse.state = "evaluating";
  pulse.step = 12;
  pulse.loss = std::numeric_limits<double>::quiet_NaN();
  pulse.collective = "all_reduce";
  pulse.collectives = 1ULL << 40;
  pulse.stopped = {3, 5};
  pulse.process = 'D';
  const Pulse back = std::get<Pulse>(read_message(write_message(pulse)));
  EXPECT_EQ(back.state, "evaluating");
  EXPECT_EQ(back.step, 12);
  EXPECT_TRUE(std::isnan(back.loss));
  EXPECT_EQ(back.collectives, 1ULL << 40);
  EXPECT_EQ(back.stopped, (std::vector<int>{3, 5}));
  EXPECT_EQ(back.process, 'D');
  const LastWords last = std::get<LastWords>(read_message(write_message(LastWords{65, std::string(100000, 'x')})));
  EXPECT_EQ(last.exit_code, 65);
  EXPECT_LT(write_message(LastWords{65, std::string(100000, '\1')}).size(), largest_frame) << "however much has to be escaped";
  EXPECT_EQ(read_orders(write_orders({12})).stop_signal, 12);
}

TEST(Messages, NonsenseIsRefused) {
  for (const char* text :
       {"", "{}", "[]", "null", R"({"kind":"pulse"})", R"({"kind":"hello","token":"","host":"","rank":3,"size":3,"attempt":1,"pid":1})",
        R"({"kind":"hello","token":1,"host":"","rank":0,"size":3,"attempt":1,"pid":1})",
        R"({"kind":"last words","exit_code":256,"message":""})"})
    EXPECT_THROW(read_message(text), DataError) << text;
  const unsigned char nothing[4] = {0, 0, 0, 0}, giant[4] = {0xFF, 0xFF, 0xFF, 0xFF}, most[4] = {0, 0, 0x40, 0};
  EXPECT_THROW(frame_length(nothing), DataError);
  EXPECT_THROW(frame_length(giant), DataError);
  EXPECT_EQ(frame_length(most), largest_frame);
}

TEST(Secrets, AreLongAndComparedWhole) {
  const std::string secret = random_token();
  EXPECT_EQ(secret.size(), 32U);
  EXPECT_NE(secret, random_token());
  EXPECT_TRUE(same_secret(secret, secret));
  EXPECT_FALSE(same_secret(secret, secret.substr(1)));
  EXPECT_FALSE(same_secret("", ""));
  for (std::size_t i = 0; i < secret.size(); ++i) {
    std::string other = secret;
    other[i] = other[i] == '0' ? '1' : '0';
    EXPECT_FALSE(same_secret(secret, other)) << i;
  }
}

TEST(Mpirun, TheTokenIsNotOnItsCommandLine) {
  MpirunOptions options;
  options.environment = {"THAW_SUPERVISOR_TOKEN"};
  options.more = {"--mca", "btl", "tcp,self"};
  const auto command = mpirun_command(options, {{"a", 2}, {"b", 2}}, 3, {"thaw", "train", "r.yaml"});
  const std::string line = fmt::format("{}", fmt::join(command, " "));
  EXPECT_TRUE(line.starts_with("mpirun -n 3 --host a:2,b:2 --map-by slot")) << line;
  EXPECT_NE(line.find(" -x THAW_SUPERVISOR_TOKEN "), std::string::npos) << line;
  EXPECT_NE(line.find(" -x PATH"), std::string::npos) << line;
  EXPECT_NE(line.find(" --mca oob_tcp_keepalive_time 5 "), std::string::npos) << line;
  EXPECT_TRUE(line.ends_with(" --mca btl tcp,self thaw train r.yaml")) << line;
}

TEST(Mpirun, AnOptionOfTheUsersStandsAlone) {
  MpirunOptions options;
  options.more = {"--mca", "oob_tcp_keepalive_time", "60"};
  const std::string line = fmt::format("{}", fmt::join(mpirun_command(options, {{"a", 1}}, 1, {"true"}), " "));
  EXPECT_NE(line.find(" --mca oob_tcp_keepalive_time 60 true"), std::string::npos) << line;
  EXPECT_EQ(line.find("oob_tcp_keepalive_time 5"), std::string::npos) << line;
}

}  // namespace
}  // namespace thaw::test
