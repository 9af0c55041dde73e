// Notices that a completion repeats itself: for every period, how many tokens in a row equal the one a period before.
//
// Invariant: O(longest period) per token, nothing is allocated after `init`.

struct RepetitionDetector {
    private let limits: RepetitionLimits
    private var recent: [TokenID]           // ring of the last tokens
    private var position = 0
    private var seen = 0
    private var runs: [Int]                 // by period; index 0 is unused

    init(_ limits: RepetitionLimits) {
        self.limits = limits
        recent = Array(repeating: -1, count: max(1, limits.longestPeriod))
        runs = Array(repeating: 0, count: recent.count + 1)
    }

    /// True when `token` completes a loop.
    mutating func accept(_ token: TokenID) -> Bool {
        var isLoop = false
        for period in 1...recent.count where period <= seen {
            let before = position - period
            let matches = recent[before >= 0 ? before : before + recent.count] == token
            runs[period] = matches ? runs[period] + 1 : 0
            if runs[period] >= max(period * (limits.count - 1), limits.minimumTokens) { isLoop = true }
        }
        recent[position] = token
        position = position + 1 == recent.count ? 0 : position + 1
        seen += 1
        return isLoop
    }

    mutating func reset() {
        seen = 0
        for period in runs.indices { runs[period] = 0 }
    }
}
