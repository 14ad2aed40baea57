#include "exec/results.h"

#include <algorithm>

namespace dlrm {

double PendingLoss::wait() {
  if (!place_) return value_;
  place_->done.wait();
  value_ = *place_->memory.as<float>();
  const std::lock_guard<std::mutex> lock(home_->mutex);
  home_->free.push_back(std::move(place_));
  return value_;
}

PendingLoss Results::send(const float* loss, const Stream& stream) {
  PendingLoss pending(0);
  pending.home_ = places_;
  {
    const std::lock_guard<std::mutex> lock(places_->mutex);
    if (!places_->free.empty()) {
      pending.place_ = std::move(places_->free.back());
      places_->free.pop_back();
    }
  }
  if (!pending.place_) {
    pending.place_ = std::make_unique<PendingLoss::Place>();
    pending.place_->memory.reserve(sizeof *loss);
  }
  stream.copy(pending.place_->memory.data(), loss, sizeof *loss);
  pending.place_->done.record(stream);
  return pending;
}

// A column of a wider matrix is copied with what is between: predictions are few.
double Results::read(const View& predictions, const float* loss, float* out, const Stream& stream) {
  const auto numbers = static_cast<size_t>((predictions.rows - 1) * predictions.stride + 1);
  memory_.reserve((numbers + 1) * sizeof(float));
  auto* host = memory_.as<float>();
  if (loss) stream.copy(host, loss, sizeof *loss);
  stream.copy(host + 1, predictions.data, numbers * sizeof(float));
  stream.wait();
  for (int64_t b = 0; b < predictions.rows; ++b) out[b] = host[1 + b * predictions.stride];
  return loss ? *host : 0;
}

}  // namespace dlrm
