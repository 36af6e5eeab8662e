#pragma once
// Round trips of fills in order, from flat to flat.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

namespace onetape {

struct RoundTrips {
    std::vector<std::int64_t> opened, closed;
    std::vector<double> net;  // after fees
    std::vector<std::int64_t> book;

    struct Fill {
        std::int64_t time, book;
        double qty, realized, fee;  // qty is signed
    };

    // Adds a fill. A fill that reverses a position closes one trip and opens the next; its fee is
    // divided by quantity. A remainder below a billionth of the former quantity is float noise and
    // counts as flat.
    void add(const Fill& fill) {
        Open& open = open_[fill.book];
        const double before = open.held;
        double after = before + fill.qty;
        if (std::abs(after) <= 1e-9 * std::max(std::abs(before), std::abs(fill.qty))) after = 0.0;
        open.held = after;
        if (before == 0.0) {
            open = {after, open.net + fill.realized - fill.fee, fill.time};
            return;
        }
        if (before * after > 0.0) {
            open.net = open.net + fill.realized - fill.fee;
            return;
        }
        const double closing = std::abs(before / fill.qty);
        opened.push_back(open.since);
        closed.push_back(fill.time);
        net.push_back(open.net + fill.realized - fill.fee * closing);
        book.push_back(fill.book);
        open = {after, after == 0.0 ? 0.0 : -fill.fee * (1 - closing), fill.time};
    }

 private:
    struct Open {
        double held = 0.0, net = 0.0;
        std::int64_t since = 0;
    };
    std::map<std::int64_t, Open> open_;
};

}  // namespace onetape
