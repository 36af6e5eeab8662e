#pragma once
// What `journal repair` does, when a person has decided so: everything from the damage on is set
// aside under other names, and the tape ends with its last good frame. Nothing is deleted.
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/verify.hpp"

namespace onetape {

struct RepairReport {
    bool changed = false;
    std::uint64_t last_sequence = 0;     // of what is left
    std::uint64_t frames_lost = 0;       // as far as the trailers tell
    std::vector<std::string> damage;     // what was found
    std::vector<std::string> set_aside;  // files that hold what was taken out
};

Failure repair_journal(const std::string& directory, const Expand& expand, RepairReport& report);

}  // namespace onetape
