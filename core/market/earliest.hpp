#pragma once
// Reads several journals as one, in time order.
#include <vector>

#include "journal/reader.hpp"

namespace onetape {

// Returns the feed whose next frame is the earliest, the first of equal ones; null if none has a
// frame now, or if reading one failed: `failed` is that feed, and `status` says why. A feed has a
// `reader`, which may be null, the `frame` that it read last, and whether that is still to be taken
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
