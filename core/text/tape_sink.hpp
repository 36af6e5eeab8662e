#pragma once
// Writes events to a new tape. The first event opens the journal, because it sets the creation
// time: the same input gives the same bytes.
#include <map>
#include <memory>
#include <vector>

#include "journal/writer.hpp"
#include "text/event_sink.hpp"

namespace onetape {

class TapeSink final : public EventSink {
 public:
    explicit TapeSink(WriterOptions options) : options_(std::move(options)) {}

    // Instruments known before the first event are written before it, so that a reader of the
    // beginning knows them; later ones before the first event of their stream.
    void instrument(std::uint32_t stream, std::vector<std::byte> payload) {
        instruments_[stream] = std::move(payload);
        if (stream >= announced_.size()) announced_.resize(stream + 1);
    }

    // Seals the tape. Without any event there is no tape.
    Failure close() {
        if (writer_ == nullptr) return {};
        Failure failure = writer_->close();
        writer_.reset();
        return failure;
    }

    [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 protected:
    Status write(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t time,
                 const void* payload, std::uint32_t payload_bytes) override {
        if (writer_ == nullptr) {
            options_.created = time;
            failure_ = Writer::open(options_, writer_);
            if (!failure_.ok()) return failure_.status;
            for (const auto& entry : instruments_) {
                if (const Status status = announce(entry.first, time); status != Status::ok) {
                    return fail(status);
                }
            }
        }
        if (stream < announced_.size() && !announced_[stream]) {
            const Status status = announce(stream, time);
            if (status != Status::ok) return fail(status);
        }
        const Status status = writer_->append(type, flags, stream, time, payload, payload_bytes);
        return status == Status::ok ? status : fail(status);
    }

 private:
    Status announce(std::uint32_t stream, std::int64_t time) {
        announced_[stream] = true;
        return writer_->append_instrument(stream, time, instruments_[stream]);
    }

    Status fail(Status status) {
        failure_ = {status, "the tape could not be written: " + options_.directory};
        return status;
    }

    WriterOptions options_;
    std::unique_ptr<Writer> writer_;
    std::map<std::uint32_t, std::vector<std::byte>> instruments_;
    std::vector<bool> announced_;
    Failure failure_;
};

}  // namespace onetape
