#pragma once
// Outcomes of core calls. Each value that can reach a user maps to one stable error number of
// CONTRACT.md in bindings/errors.cpp, and only there.
#include <cstdint>
#include <string>

namespace onetape {

enum class [[nodiscard]] Status : std::uint8_t {
    ok,
    not_found,      // no journal, segment, stream or sequence there
    invalid,        // an argument breaks a rule of the call
    locked,         // another writer holds the journal
    disk_full,      // ENOSPC, EDQUOT: refused before any store
    io_error,       // any other failed system call
    foreign,        // not one of our files, or a piece of another journal
    newer_version,  // written by a later format than this build reads
    torn,           // bytes after the last good frame of an open journal
    damaged,        // a bad frame with good ones after it, or any damage in a sealed segment
    gone,           // pruned: the reader's segment no longer exists
    exhausted,      // a named bound was reached
    not_available,  // not built, or not on this platform
};

// What an operator needs beside the status: the file or rule, and the value that broke it.
struct Failure {
    Status status = Status::ok;
    std::string what;

    [[nodiscard]] bool ok() const { return status == Status::ok; }
};

}  // namespace onetape
