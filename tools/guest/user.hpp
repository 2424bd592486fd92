// Purpose: who the command runs as, found in the guest's own /etc/passwd and /etc/group.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <grp.h>
#include <unistd.h>

namespace auk::guest {

struct User {
  static constexpr int most_groups = 256;

  char name[256] = "", home[256] = "/";
  unsigned uid = 0, gid = 0;
  gid_t groups[most_groups] = {};
  int group_count = 0;

  // "name", "name:group", or numbers, which need stand nowhere. False: there is no such one.
  bool find(char const* text) {
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s", text);
    char* const colon = strchr(wanted, ':');
    if (colon) *colon = 0;
    bool const known = find_user(wanted);
    if (!known && !number(wanted, uid)) return false;
    if (!known) snprintf(name, sizeof name, "%s", wanted);
    if (colon && !find_group(colon + 1) && !number(colon + 1, gid)) return false;
    groups[group_count++] = gid;
    // With a group of its own choice it is in no other one.
    if (!colon) find_groups();
    return true;
  }
  bool become() const {
    return setgroups(static_cast<size_t>(group_count), groups) == 0 && setgid(gid) == 0 &&
           setuid(uid) == 0;
  }

 private:
  static bool number(char const* text, unsigned& out) {
    char* end = nullptr;
    unsigned long const value = strtoul(text, &end, 10);
    if (end == text || *end || *text == '-' || value >= ~0u) return false;
    out = static_cast<unsigned>(value);
    return true;
  }
  // Calls `f` with the fields of each line until it says true.
  template <class F> static bool each_line(char const* path, F f) {
    FILE* const file = fopen(path, "re");
    if (!file) return false;
    char line[4096];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
      line[strcspn(line, "\n")] = 0;
      char* fields[8] = {};
      char* rest = line;
      for (auto& field : fields) field = strsep(&rest, ":");
      found = fields[2] && f(fields);
    }
    fclose(file);
    return found;
  }
  // passwd(5)
  bool find_user(char const* wanted) {
    return each_line("/etc/passwd", [&](char** fields) {
      unsigned id = 0;
      if (!number(fields[2], id)) return false;
      if (strcmp(fields[0], wanted) != 0 && strcmp(fields[2], wanted) != 0) return false;
      uid = id;
      if (fields[3]) number(fields[3], gid);
      snprintf(name, sizeof name, "%s", fields[0]);
      if (fields[5] && *fields[5]) snprintf(home, sizeof home, "%s", fields[5]);
      return true;
    });
  }
  // group(5)
  bool find_group(char const* wanted) {
    return each_line("/etc/group", [&](char** fields) {
      return strcmp(fields[0], wanted) == 0 && number(fields[2], gid);
    });
  }
  void find_groups() {
    each_line("/etc/group", [&](char** fields) {
      char* members = fields[3];
      while (char* const member = members ? strsep(&members, ",") : nullptr) {
        unsigned id = 0;
        if (strcmp(member, name) == 0 && number(fields[2], id) && group_count < most_groups)
          groups[group_count++] = id;
      }
      return false;
    });
  }
};

}  // namespace auk::guest
