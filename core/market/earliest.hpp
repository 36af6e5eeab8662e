#pragma once
// Several journals read as one, in order of time.
#include <vector>

#include "journal/reader.hpp"

namespace onetape {

// The feed whose next frame is the earliest, the first of several; null where none has one now, or
// where reading one failed: `failed` is it then, and `status` says why. A feed has a `reader`,
// which may be null, the `frame` that it read last, and whether that is still to be taken
// (`has_frame`).
template <class Feed>
[[nodiscard]] Feed* earliest(std::vector<Feed>& feeds, Status& status, const Feed*& failed) {
    Feed* first = nullptr;
    failed = nullptr;
    for (Feed& each : feeds) {
        if (each.reader == nullptr) continue;
        if (!each.has_frame) {
            status = each.reader->next(each.frame);
            each.has_frame = status == Status::ok;
            if (!each.has_frame && status != Status::not_found) {
                failed = &each;
                return nullptr;
            }
        }
        if (each.has_frame &&
            (first == nullptr || each.frame.header->time < first->frame.header->time))
            first = &each;
    }
    return first;
}

}  // namespace onetape
