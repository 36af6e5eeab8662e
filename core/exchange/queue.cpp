#include "exchange/queue.hpp"

#include <algorithm>
#include <cmath>

namespace onetape {

namespace {

// In whole lots, rounded up; a float error above a whole number does not count.
std::int64_t up_to_lots(double units, std::int64_t lot) noexcept {
    constexpr double noise = 1e-9;
    const double lots = std::ceil(units / static_cast<double>(lot) - noise);
    return static_cast<std::int64_t>(lots) * lot;
}

}  // namespace

double share_behind(const QueueOptions& options, double front, double back) noexcept {
    front = std::max(front, 0.0);
    back = std::max(back, 0.0);
    if (options.model == QueueModel::conservative || front == 0.0) return 1.0;
    const double n = options.exponent;
    double share = 1.0;
    switch (options.model) {
        case QueueModel::conservative:
            break;
        case QueueModel::power:
            // b^n / (b^n + f^n), in a form that neither overflows nor divides 0 by 0.
            share = back == 0.0 ? 0.0 : 1.0 / (1.0 + std::pow(front / back, n));
            break;
        case QueueModel::power2:
            share = std::pow(back / (back + front), n);
            break;
        case QueueModel::power3:
            share = 1.0 - std::pow(front / (front + back), n);
            break;
        case QueueModel::log:
            share = std::log1p(back) / (std::log1p(back) + std::log1p(front));
            break;
        case QueueModel::log2:
            share = std::log1p(back) / std::log1p(back + front);
            break;
    }
    return std::clamp(share, 0.0, 1.0);
}

std::int64_t QueuePlace::take_seen(std::int64_t stamp, std::int64_t size) noexcept {
    if (stamp == 0 || stamp > stamp_) {  // newer than all displays: no older one will come
        dropped_ = older_dropped_ = 0;
        return 0;
    }
    if (stamp > older_stamp_) older_dropped_ = 0;
    const std::int64_t seen = std::min(size, dropped_ + older_dropped_);
    const std::int64_t older = std::min(seen, older_dropped_);
    older_dropped_ -= older;
    dropped_ -= seen - older;
    return seen;
}

void QueuePlace::on_trade(std::int64_t stamp, std::int64_t trade_size,
                          std::int64_t ahead_size) noexcept {
    ahead -= ahead_size;
    exact_ = ahead == 0 ? 0.0 : std::max(exact_ - static_cast<double>(ahead_size), 0.0);
    if (stamp != 0 && stamp <= stamp_) return;  // the display includes it
    if (print_count_ > 0 && prints_[print_count_ - 1].stamp == stamp) {
        prints_[print_count_ - 1].size += trade_size;
        return;
    }
    if (print_count_ == prints_.size()) {
        prints_[1].size += prints_[0].size;
        std::copy(prints_.begin() + 1, prints_.end(), prints_.begin());
        --print_count_;
    }
    prints_[print_count_++] = {stamp, trade_size};
}

// Trades at our price that a display with this stamp includes for the first time.
std::int64_t QueuePlace::shown_by_now(std::int64_t stamp) noexcept {
    std::int64_t traded = 0;
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < print_count_; ++i) {
        const Print print = prints_[i];
        if (stamp != 0 && print.stamp > stamp)
            prints_[kept++] = print;
        else
            traded += print.size;
    }
    print_count_ = kept;
    return traded;
}

void QueuePlace::note_drop(double before, std::int64_t lot, std::int64_t stamp) noexcept {
    older_dropped_ = stamp == 0 ? 0 : older_dropped_ + dropped_;
    older_stamp_ = stamp_;
    stamp_ = stamp;
    dropped_ = stamp == 0 ? 0 : up_to_lots(before - exact_, lot);
}

void QueuePlace::on_shown(const QueueOptions& options, const QueueScale& scale, std::int64_t shown,
                          std::int64_t stamp) noexcept {
    const std::int64_t traded = shown_by_now(stamp);
    const bool was_counted = ahead != unknown;
    const double before = exact_;
    if (options.model == QueueModel::conservative || ahead == unknown) {
        if (shown < ahead) {
            ahead = shown;
            exact_ = static_cast<double>(shown);
        }
    } else if (const std::int64_t canceled = last_shown_ - shown - traded; canceled > 0) {
        // Trades since the last display are in `shown` already, and have moved us.
        const double gone = static_cast<double>(canceled);
        const double back = static_cast<double>(last_shown_) - exact_;
        const double share = share_behind(options, exact_ * scale.coins, back * scale.coins);
        // If more was canceled behind us than stood there, the excess was ahead of us.
        exact_ -= (1.0 - share) * gone + std::max(share * gone - std::max(back, 0.0), 0.0);
        exact_ = std::clamp(exact_, 0.0, static_cast<double>(shown));
        ahead = std::min(up_to_lots(exact_, scale.lot), shown);
    } else if (shown < ahead) {
        exact_ = std::min(exact_, static_cast<double>(shown));
        ahead = shown;
    }
    last_shown_ = shown;
    note_drop(was_counted ? before : exact_, scale.lot, stamp);
    if (!was_counted && ahead != unknown) joined_ = stamp;  // all that is shown is ahead of us
}

}  // namespace onetape
