// What the kernel says about a machine's company, and what a daemon says about itself.
import QuernMeasure
import Testing

@Suite struct HostTests {
    @Test func processorTimes() {
        var counters = HostCounters()
        counters.readProcessors("cpu  100 10 40 800 20 5 5 20 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
        #expect(counters.totalTicks == 1000)
        #expect(counters.busyTicks == 160)
        #expect(counters.stolenTicks == 20)
        counters.readProcessors("nonsense")
        #expect(counters.totalTicks == 1000)
    }

    @Test func cgroups() {
        #expect(HostCounters.cpuStatFiles("0::/user.slice/a.scope\n") == [
            "/sys/fs/cgroup/user.slice/a.scope/cpu.stat", "/sys/fs/cgroup/user.slice/cpu.stat", "/sys/fs/cgroup/cpu.stat",
        ])
        #expect(HostCounters.cpuStatFiles("4:memory:/x\n3:cpu,cpuacct:/y\n") == ["/sys/fs/cgroup/cpu/y/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"])
        #expect(HostCounters.cpuStatFiles("0::/../../etc\nx\n").isEmpty)
        #expect(HostCounters.throttling("usage_usec 5\nnr_throttled 3\nthrottled_usec 1500000\n") == 1.5)
        #expect(HostCounters.throttling("nr_periods 0\nnr_throttled 0\nthrottled_time 2500000000\n") == 2.5)
        #expect(HostCounters.throttling("") == 0)
    }

    private func noise(busy: Double, own: Double, stolen: Double = 0, throttled: Double = 0, seconds: Double = 10) -> HostNoise {
        let start = HostCounters()
        var end = start
        end.totalTicks = 2 * seconds * HostCounters.ticksPerSecond
        end.busyTicks = busy * HostCounters.ticksPerSecond
        end.stolenTicks = stolen * HostCounters.ticksPerSecond
        end.throttledSeconds = throttled
        end.ownSeconds = own
        return HostNoise(from: start, to: end, seconds: seconds)
    }

    @Test func noise() {
        #expect(!noise(busy: 20, own: 19.9).isNoisy)
        #expect(noise(busy: 20, own: 15).others == 0.25)
        #expect(noise(busy: 20, own: 15).isNoisy)
        #expect(noise(busy: 10, own: 10, stolen: 1).isNoisy)
        #expect(noise(busy: 10, own: 10, throttled: 0.2).throttled == 0.02)
        // The kernel counts too coarsely for a short moment.
        #expect(!noise(busy: 0.1, own: 0, seconds: 0.1).isNoisy)
    }

    @Test func thisMachineHasCounters() {
        let counters = HostCounters.now()
        #expect(counters.totalTicks > 0)
        #expect(counters.ownSeconds > 0)
    }

    private let before = MetricsSnapshot(parsing: """
        # HELP quern_build_info Constant 1
        # TYPE quern_build_info gauge
        quern_build_info{version="1.2",model="tiny \\"x"} 1
        quern_generations_total{finish_reason="stop"} 10
        quern_generations_total{finish_reason="length"} 2
        quern_generation_tokens_total 100
        quern_engine_steps_total 50
        quern_weights_bytes 1e9
        quern_time_to_first_token_seconds_bucket{le="0.1"} 3
        quern_time_to_first_token_seconds_sum 4.5
        quern_time_to_first_token_seconds_count 9
        broken line
        """)

    @Test func metrics() {
        #expect(before["quern_generations_total"] == 12)
        #expect(before["quern_weights_bytes"] == 1e9)
        #expect(before["quern_nothing"] == nil)
        #expect(before.label("version", of: "quern_build_info") == "1.2")
        #expect(before.label("model", of: "quern_build_info") == "tiny \"x")
        #expect(before.label("colour", of: "quern_build_info") == nil)
    }

    @Test func ratesAreDifferences() {
        let after = MetricsSnapshot(parsing: """
            quern_generations_total{finish_reason="stop"} 14
            quern_generations_total{finish_reason="length"} 2
            quern_generation_tokens_total 300
            quern_engine_steps_total 90
            quern_weights_bytes 1e9
            quern_time_to_first_token_seconds_sum 6.5
            quern_time_to_first_token_seconds_count 13
            quern_requests_running 3
            """)
        let rates = LiveRates(from: before, to: after, seconds: 2)
        #expect(rates.generationRate == 100)
        #expect(rates.requestRate == 2)
        #expect(rates.timeToFirst == 0.5)
        #expect(rates.timePerToken == nil)
        #expect(rates.weightBytesPerSecond == 20e9)
        #expect(rates.running == 3)
        // A daemon that was restarted counts from zero again.
        #expect(LiveRates(from: after, to: before, seconds: 1).generationRate == 0)
    }
}
