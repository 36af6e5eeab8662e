#pragma once
// Implements `journal repair`, which an operator starts: everything from the damage on is set aside
// under other names, and the tape ends with its last good frame. Nothing is deleted.
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/verify.hpp"

namespace onetape {

struct RepairReport {
    bool changed = false;
    std::uint64_t last_sequence = 0;     // of the repaired journal
    std::uint64_t frames_lost = 0;       // as far as the trailers show
    std::vector<std::string> damage;     // descriptions of the damage
    std::vector<std::string> set_aside;  // files that hold the removed parts
};

Failure repair_journal(const std::string& directory, const Expand& expand, RepairReport& report);

}  // namespace onetape
