// Time as a sum of terms, each with the work behind it and the fact that prices it.

/// What a step waits for.
public enum Bottleneck: String, Sendable, CaseIterable {
    case weights
    case kv = "KV cache"
    case recurrent = "recurrent state"
    case compute
    case launch = "launch overhead"
    case link
}

/// One term of a prediction.
public struct CostItem: Sendable, Equatable {
    /// The profile key whose value prices the work: a fit of that key sees its coefficient here.
    public let term: String
    public let cause: Bottleneck
    /// Bytes or operations divided by the rate, or times the seconds are taken.
    public let amount: Double
    public let seconds: Double

    static func rate(_ term: String, _ cause: Bottleneck, amount: Double, perSecond: Double) -> CostItem {
        CostItem(term: term, cause: cause, amount: amount, seconds: amount > 0 ? amount / perSecond : 0)
    }

    static func times(_ term: String, _ cause: Bottleneck, amount: Double, seconds: Double) -> CostItem {
        CostItem(term: term, cause: cause, amount: amount, seconds: amount > 0 ? amount * seconds : 0)
    }

    func scaled(by factor: Double) -> CostItem {
        CostItem(term: term, cause: cause, amount: amount * factor, seconds: seconds * factor)
    }
}

/// Terms that add up.
public struct Cost: Sendable, Equatable {
    public private(set) var items: [CostItem] = []

    public var seconds: Double { items.reduce(0) { $0 + $1.seconds } }

    /// Where most of the time goes.
    public var bottleneck: Bottleneck {
        Bottleneck.allCases.max { seconds(of: $0) < seconds(of: $1) } ?? .weights
    }

    public func seconds(of cause: Bottleneck) -> Double {
        items.reduce(0) { $0 + ($1.cause == cause ? $1.seconds : 0) }
    }

    mutating func add(_ item: CostItem) {
        guard item.amount > 0 else { return }
        guard let same = items.firstIndex(where: { $0.term == item.term && $0.cause == item.cause }) else { return items.append(item) }
        items[same] = CostItem(
            term: item.term, cause: item.cause, amount: items[same].amount + item.amount,
            seconds: items[same].seconds + item.seconds)
    }

    mutating func add(_ cost: Cost, times factor: Double = 1) {
        for item in cost.items { add(item.scaled(by: factor)) }
    }
}
