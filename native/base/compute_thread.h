// The one thread that runs training steps and asynchronous predictions, in the order they were submitted, and the pool it
// runs them on; there is one of each per process, whatever the number of models and Worker threads.
#pragma once
#include <functional>

#include "base/pool.h"

namespace dlrm {

using ComputeJob = std::function<void(Pool&)>;

// Queues a job; it must not throw. The thread starts with the first job.
void submit(ComputeJob job);

// Queues what only waits for a device, for a thread of its own: the compute thread meanwhile prepares the next step. It must
// not throw.
void submit_wait(std::function<void()> job);

// Runs work(pool) on the calling thread: with the pool if nobody is using it, else with null. Throws what work throws.
void with_idle_pool(const std::function<void(Pool*)>& work);

// Threads of the pool from the next job on.
void set_threads(int threads);
int current_threads();

}  // namespace dlrm
