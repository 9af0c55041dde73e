// When a paced answer's tokens may be seen.
import Quern
import Testing

@Suite struct PaceTests {
    private let start = ContinuousClock.now

    private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    /// A host that has all tokens at once: they come as the device would give them.
    @Test func aFasterHostWaits() {
        var pace = Pace(start: start)
        #expect(pace.next(after: 0.5, now: at(10)) == at(500))
        #expect(pace.next(after: 0.1, now: at(10)) == at(600))
        // Waking late does not add up.
        #expect(pace.next(after: 0.1, now: at(605)) == at(700))
    }

    @Test func aSlowerHostDoesNot() {
        var pace = Pace(start: start)
        #expect(pace.next(after: 0.1, now: at(300)) == at(300))
        #expect(pace.next(after: 0.1, now: at(700)) == at(700))
        // What it was late with before is not made up for.
        #expect(pace.next(after: 0.1, now: at(700)) == at(800))
    }

    @Test func absurdTimesAreBounded() {
        var pace = Pace(start: start)
        #expect(pace.next(after: .infinity, now: start) > at(1_000_000))
        var other = Pace(start: start)
        #expect(other.next(after: .nan, now: start) > at(1_000_000))
    }
}
