#include "exchange/queue.hpp"

#include <algorithm>
#include <cmath>

namespace onetape {

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

void QueuePlace::on_shown(const QueueOptions& options, std::int64_t shown) noexcept {
    if (options.model == QueueModel::conservative || ahead == unknown) {
        if (shown < ahead) {
            ahead = shown;
            exact_ = static_cast<double>(shown);
        }
    } else if (const std::int64_t canceled = last_shown_ - shown - traded_; canceled > 0) {
        // What traded since the last look is in `shown` already, and has moved us.
        const double gone = static_cast<double>(canceled);
        const double back = static_cast<double>(last_shown_) - exact_;
        const double share = share_behind(options, exact_, back);
        // More canceled behind us than stood there was before us after all.
        exact_ -= (1.0 - share) * gone + std::max(share * gone - std::max(back, 0.0), 0.0);
        exact_ = std::clamp(exact_, 0.0, static_cast<double>(shown));
        ahead = static_cast<std::int64_t>(std::ceil(exact_));
    } else if (shown < ahead) {
        exact_ = static_cast<double>(shown);
        ahead = shown;
    }
    last_shown_ = shown;
    traded_ = 0;
}

}  // namespace onetape
