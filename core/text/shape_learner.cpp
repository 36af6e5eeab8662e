#include "text/shape_learner.hpp"

#include <algorithm>

#include "text/json_number.hpp"

namespace onetape {
namespace {

[[nodiscard]] std::string joined(const std::string& path, std::string_view key) {
    std::string whole = path;
    if (!whole.empty()) whole += '.';
    return whole.append(key);
}

}  // namespace

bool ShapeLearner::learn(ShapeReader::Layout& layout) {
    layout_ = &layout;
    into_ = &layout.head;
    if (!is('{') || !value({}, 0) || p_ != end_) return false;
    into_->tail.assign(pending_, p_);
    return (found_ & shape_.required) == shape_.required && constants_ == shape_.constants.size() &&
           layout.has_rows == !shape_.rows.empty();
}

void ShapeLearner::blanks() noexcept {
    while (is(' ') || is('\t')) ++p_;
}

bool ShapeLearner::place(const char* begin, const char* behind, ShapeRole role, ShapeForm form) {
    if (is_later_row_) return true;
    // A value behind the rows would come too late for them.
    if (into_ == &layout_->foot && role != ShapeRole::skip) return false;
    ShapeReader::Piece& piece = into_->pieces.emplace_back();
    piece.before.assign(pending_, begin);
    piece.role = role;
    piece.form = form;
    found_ |= 1u << static_cast<unsigned>(role);
    pending_ = behind;
    ++pieces_;
    return true;
}

void ShapeLearner::close(ShapeReader::Sequence& next) {
    into_->tail.assign(pending_, p_);
    pending_ = p_;
    into_ = &next;
}

bool ShapeLearner::value(const std::string& path, int depth) {
    if (depth > depth_max || pieces_ > pieces_max) return false;
    if (is('{')) return object(path, depth);
    if (is('[')) {
        for (const ShapeSlot& slot : shape_.roles) {
            if (slot.form == ShapeForm::levels && slot.path == path) return levels(slot.role);
        }
        if (!shape_.rows.empty() && path == shape_.rows && !layout_->has_rows) return rows(depth);
        return list(path, depth);
    }
    return scalar(path);
}

bool ShapeLearner::object(const std::string& path, int depth) {
    std::set<std::string, std::less<>> keys;
    ++p_;
    blanks();
    if (is('}')) {
        ++p_;
        return true;
    }
    for (;;) {
        if (!is('"')) return false;
        const char* const begin = p_ + 1;
        if (!text()) return false;
        const std::string_view key(begin, static_cast<std::size_t>(p_ - 1 - begin));
        // A point in a key would make another path of it.
        if (key.find('.') != std::string_view::npos || !keys.emplace(key).second) return false;
        blanks();
        if (!is(':')) return false;
        ++p_;
        blanks();
        if (!value(joined(path, key), depth + 1)) return false;
        blanks();
        if (is(',')) {
            ++p_;
            blanks();
            continue;
        }
        if (!is('}')) return false;
        ++p_;
        return true;
    }
}

bool ShapeLearner::list(const std::string& path, int depth) {
    ++p_;
    blanks();
    if (is(']')) {
        ++p_;
        return true;
    }
    for (;;) {
        if (!value(joined(path, "[]"), depth + 1)) return false;
        blanks();
        if (is(',')) {
            ++p_;
            blanks();
            continue;
        }
        if (!is(']')) return false;
        ++p_;
        return true;
    }
}

bool ShapeLearner::levels(ShapeRole role) {
    const char* const begin = p_;
    std::vector<std::pair<RawDecimal, RawDecimal>> found;
    return ShapeReader::levels(p_, end_, found) && place(begin, p_, role, ShapeForm::levels);
}

// The first row is learned; later ones must only be JSON here, and are compared when read.
bool ShapeLearner::rows(int depth) {
    layout_->has_rows = true;
    ++p_;
    close(layout_->row);
    for (;;) {
        if (!is('{') || !object(shape_.rows, depth + 1)) return false;
        if (!is_later_row_) close(layout_->foot);
        is_later_row_ = true;
        if (is(']')) break;
        if (!is(',')) return false;
        ++p_;
    }
    is_later_row_ = false;
    pending_ = p_;  // the bracket
    ++p_;
    return true;
}

bool ShapeLearner::scalar(const std::string& path) {
    const char* const begin = p_;
    const bool is_text = is('"');
    if (is_text) {
        if (!text()) return false;
    } else if (!skip_bare(p_, end_)) {
        return false;
    }
    for (const auto& [where, json] : shape_.constants) {
        if (where != path) continue;
        if (std::string_view(begin, static_cast<std::size_t>(p_ - begin)) != json) return false;
        if (!is_later_row_) ++constants_;
        return true;  // it stays part of the bytes
    }
    const ShapeForm form = is_text ? ShapeForm::text : ShapeForm::bare;
    ShapeRole role = ShapeRole::skip;
    for (const ShapeSlot& slot : shape_.roles) {
        if (slot.path != path) continue;
        if (slot.form != form) return false;
        role = slot.role;
    }
    return is_text ? place(begin + 1, p_ - 1, role, form) : place(begin, p_, role, form);
}

bool ShapeLearner::text() {
    ++p_;
    while (p_ < end_ && is_plain_text(*p_)) ++p_;
    if (!is('"')) return false;
    ++p_;
    return true;
}

}  // namespace onetape
