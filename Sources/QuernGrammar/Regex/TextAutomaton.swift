// A deterministic automaton over scalars for text that satisfies several conditions at once.
//
// Owns: the product of regular expressions, a length and forbidden texts (subset construction over classes of scalars that
// no condition tells apart). Does not own: how a scalar is spelled in the output (TextEncoding).
// Invariant: states are charged to the meter while they are made, so an exponential product ends in `tooComplex`.

enum TextCondition {
    /// Some part of the text matches, as JSON Schema's `pattern` means it.
    case contains(ExpressionNFA)
    /// The whole text matches.
    case matches(ExpressionNFA)
    /// Number of scalars.
    case length(minimum: Int, maximum: Int?)
    /// The text is none of these.
    case differs([String])
    /// This string occurs nowhere in the text.
    case avoids(String)
}

struct TextAutomaton {
    struct Transition {
        var set: ScalarSet
        var to: Int
    }

    /// State 0 is the start.
    private(set) var transitions: [[Transition]] = []
    private(set) var accepts: [Bool] = []

    init(_ conditions: [TextCondition], meter: inout Meter) throws(GrammarError) {
        var trackers: [any TextTracker] = []
        for condition in conditions {
            switch condition {
            case .contains(let nfa): trackers.append(PatternTracker(nfa, isSearch: true))
            case .matches(let nfa): trackers.append(PatternTracker(nfa, isSearch: false))
            case .length(let minimum, let maximum): trackers.append(LengthTracker(minimum: minimum, maximum: maximum))
            case .differs(let texts): trackers.append(WordTracker(texts, mode: .differs))
            case .avoids(let text): trackers.append(WordTracker([text], mode: .avoids))
            }
        }
        let classes = try ScalarClasses(trackers.flatMap(\.sets), meter: &meter)
        var states: [[Int32]: Int] = [:]
        var pending: [[Int32]] = []
        let start = trackers.map { $0.start }
        states[start] = 0
        pending.append(start)
        var next = 0
        while next < pending.count {
            let state = pending[next]
            next += 1
            try meter.chargeState()
            accepts.append(zip(trackers.indices, state).allSatisfy { trackers[$0].accepts($1) })
            var targets: [Int: [ClosedRange<UInt32>]] = [:]
            for index in classes.representatives.indices {
                var successor: [Int32] = []
                successor.reserveCapacity(trackers.count)
                for (tracker, part) in zip(trackers.indices, state) {
                    let moved = try trackers[tracker].step(part, classes.representatives[index], meter: &meter)
                    guard moved >= 0 else { break }
                    successor.append(moved)
                }
                guard successor.count == trackers.count else { continue }
                let target = states[successor] ?? pending.count
                if target == pending.count {
                    states[successor] = target
                    pending.append(successor)
                }
                targets[target, default: []] += classes.ranges[index]
            }
            transitions.append(targets.sorted { $0.key < $1.key }.map { Transition(set: ScalarSet($0.value), to: $0.key) })
        }
    }

    /// Whether `text` satisfies all conditions.
    func matches(_ text: String) -> Bool {
        var state = 0
        for scalar in text.unicodeScalars {
            guard let next = transitions[state].first(where: { $0.set.contains(scalar.value) }) else { return false }
            state = next.to
        }
        return accepts[state]
    }
}

/// Scalars that no set tells apart: one representative and the ranges of each class.
private struct ScalarClasses {
    private(set) var representatives: [UInt32] = []
    private(set) var ranges: [[ClosedRange<UInt32>]] = []

    init(_ sets: [ScalarSet], meter: inout Meter) throws(GrammarError) {
        let distinct = Array(Set(sets))
        var bounds: Set<UInt32> = [0, 0xE000]
        for set in distinct {
            for range in set.ranges {
                bounds.insert(range.lowerBound)
                bounds.insert(range.upperBound + 1)
            }
        }
        bounds.remove(0x110000)
        bounds.remove(0xD800)
        let sorted = bounds.sorted()
        var classes: [[Bool]: Int] = [:]
        for (index, low) in sorted.enumerated() {
            try meter.charge(1 + distinct.count)
            let following = index + 1 < sorted.count ? sorted[index + 1] : 0x110000
            let signature = distinct.map { $0.contains(low) }
            let range = low...(following - 1)
            if let known = classes[signature] {
                ranges[known].append(range)
            } else {
                classes[signature] = ranges.count
                representatives.append(low)
                ranges.append([range])
            }
        }
    }
}
