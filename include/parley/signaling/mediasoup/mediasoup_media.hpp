// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The media server of a voice deployment: mediasoup's workers, driven by this process.

#include <parley/detail/completion.hpp>
#include <parley/peer.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/mediasoup/media_core.hpp>
#include <parley/signaling/mediasoup/options.hpp>
#include <parley/task.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling {

/// Media by mediasoup. All that is done, is done on the executor that `run` is given, in the order
/// of the calls; callers may be on any thread. Copies are the same media server.
class mediasoup_media {
  public:
    /// \throw std::invalid_argument where `check` finds fault with the options.
    explicit mediasoup_media(mediasoup_options options)
        : shared_(std::make_shared<shared>(std::move(options))) {
        if (auto const wrong = check(shared_->options)) throw std::invalid_argument(wrong->text());
    }

    task<media_result<boost::json::object>> capabilities(std::string) {
        co_return mediasoup::router_capabilities(); // those of every router
    }

    task<media_result<transport_parameters>> create_transport(std::string channel,
                                                              media_direction direction) {
        auto work = [channel = std::move(channel), direction](core& media) {
            return media.create_transport(channel, direction);
        };
        return perform<media_result<transport_parameters>>(std::move(work));
    }

    task<media_result<void>> connect_transport(std::string transport,
                                               boost::json::value dtls_parameters) {
        auto work = [id = std::move(transport), given = own(dtls_parameters)](core& media) {
            return media.connect_transport(id, given);
        };
        return perform<media_result<void>>(std::move(work));
    }

    task<media_result<std::string>> produce(std::string transport, std::string kind,
                                            boost::json::value rtp_parameters) {
        auto work = [on = std::move(transport), kind = std::move(kind),
                     given = own(rtp_parameters)](core& media) {
            return media.produce(on, kind, given);
        };
        return perform<media_result<std::string>>(std::move(work));
    }

    task<media_result<consumer_parameters>> consume(std::string transport, std::string producer,
                                                    boost::json::value rtp_capabilities) {
        auto work = [on = std::move(transport), of = std::move(producer),
                     given = own(rtp_capabilities)](core& media) {
            return media.consume(on, of, given);
        };
        return perform<media_result<consumer_parameters>>(std::move(work));
    }

    void pause(std::string const& producer) {
        post([producer](core& media) { media.set_paused(producer, true); });
    }
    void resume(std::string const& producer) {
        post([producer](core& media) { media.set_paused(producer, false); });
    }
    void close_transport(std::string const& transport) {
        post([transport](core& media) { media.close_transport(transport); });
    }
    void close_producer(std::string const& producer) {
        post([producer](core& media) { media.close_producer(producer); });
    }
    void close_channel(std::string const& channel) {
        post([channel](core& media) { media.close_channel(channel); });
    }

    [[nodiscard]] std::size_t workers() const { return *shared_->running; }

    void on_restart(std::function<void(std::vector<std::string> const&)> callback) {
        shared_->restarted = std::move(callback);
    }

    /// What there is in all workers, in their own words.
    task<media_result<media_counts>> counts() {
        return perform<media_result<media_counts>>([](core& media) { return media.counts(); });
    }

    /// What its worker says of a producer; for tests and whoever looks for a fault.
    task<media_result<boost::json::value>> describe_producer(std::string producer) {
        auto work = [id = std::move(producer)](core& media) { return media.describe(id); };
        return perform<media_result<boost::json::value>>(std::move(work));
    }

    /// Runs the workers.
    template <class Context>
    task<> run(Context& context) {
        auto const keep = shared_;
        auto const media = std::make_shared<core>(context.get_executor(), keep->options,
                                                  keep->restarted, keep->running);
        media->start();
        {
            opened const until_the_stop(*keep, media, context.get_executor());
            while (co_await context.wait_until(no_deadline)) {
            }
        }
        co_await media->stop();
    }

  private:
    using core = mediasoup::media_core;

    /// What callers on any thread may touch.
    struct shared {
        explicit shared(mediasoup_options given) : options(std::move(given)) {}

        mediasoup_options const options;
        std::function<void(std::vector<std::string> const&)> restarted; // set before the start
        std::shared_ptr<std::atomic<std::size_t>> const running =
            std::make_shared<std::atomic<std::size_t>>(0);

        std::mutex mutex; // guards what follows
        std::shared_ptr<core> media;
        std::optional<executor> home; // of the media
    };

    /// Callers get through for as long as this lives.
    class opened {
      public:
        opened(shared& state, std::shared_ptr<core> media, executor home) : state_(state) {
            set(std::move(media), std::move(home));
        }
        opened(opened const&) = delete;
        opened& operator=(opened const&) = delete;
        ~opened() { set(nullptr, std::nullopt); }

      private:
        void set(std::shared_ptr<core> media, std::optional<executor> home) {
            std::lock_guard const lock(state_.mutex);
            state_.media = std::move(media);
            state_.home = std::move(home);
        }

        shared& state_;
    };

    /// A copy that has nothing to do with where the caller keeps its values.
    static boost::json::value own(boost::json::value const& given) {
        return boost::json::value(given, boost::json::storage_ptr());
    }

    /// Calls `work(core&)` on the media's executor, after all that was posted before. False if the
    /// media server does not run.
    template <class Work>
    bool post(Work work) const {
        std::lock_guard const lock(shared_->mutex);
        if (!shared_->media) return false;
        asio::post(*shared_->home,
                   [media = shared_->media, work = std::move(work)]() mutable { work(*media); });
        return true;
    }

    /// Does `work(core&)` there, a task, and resumes here with what came of it.
    template <class R, class Work>
    task<R> perform(Work work) const {
        auto const self = *this;
        auto begin = [self, work = std::move(work)](parley::detail::completion<R> done) mutable {
            self.submit(std::move(done), std::move(work));
        };
        co_return co_await parley::detail::await_completion<R>(std::move(begin));
    }

    template <class R, class Work>
    void submit(parley::detail::completion<R> done, Work work) const {
        auto const waiting = std::make_shared<parley::detail::completion<R>>(std::move(done));
        bool const taken = post([waiting, work = std::move(work)](core& media) mutable {
            media.begin(work(media), [waiting](R outcome) { (*waiting)(std::move(outcome)); });
        });
        if (!taken) (*waiting)(media_failure{"the media server does not run"});
    }

    std::shared_ptr<shared> shared_;
};

static_assert(media_server<mediasoup_media>);

} // namespace parley::signaling
