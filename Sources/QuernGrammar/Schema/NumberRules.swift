// Numbers between bounds as digits.
//
// Integers have at most 18 digits, 15 where nothing asks for more: every reader keeps those exactly (RFC 8259, section 6).
// Fractions within bounds are compared digit by digit. Invariant: whatever is spelled lies within the bounds.

extension GrammarBuilder {
    private static let defaultLimit: Int64 = 999_999_999_999_999
    private static let fractionDigits = 15

    /// Integers from `low` to `high`, either of them open.
    mutating func integers(
        _ low: SchemaShape.Bound?, _ high: SchemaShape.Bound?, _ from: StateID, _ to: StateID
    ) throws(GrammarError) {
        let limit = DecimalNumber.limit - 1
        let lowest = low.map { Self.nearestInteger($0, up: true) }
        let highest = high.map { Self.nearestInteger($0, up: false) }
        let first = max(-limit, lowest ?? (highest ?? 0 < -Self.defaultLimit ? -limit : -Self.defaultLimit))
        let last = min(limit, highest ?? (lowest ?? 0 > Self.defaultLimit ? limit : Self.defaultLimit))
        guard first <= last else { return }
        if last >= 0 { try magnitudes(max(first, 0), last, from, to) }
        if first < 0 {
            let minus = try state()
            try literal("-", from, minus)
            try magnitudes(max(1, -last), -first, minus, to)
        }
    }

    /// The integer nearest to a bound on its inner side.
    private static func nearestInteger(_ bound: SchemaShape.Bound, up: Bool) -> Int64 {
        let value = bound.value
        let truncated = value.isNegative ? -value.integer : value.integer
        if value.fraction.isEmpty { return bound.isExclusive ? truncated + (up ? 1 : -1) : truncated }
        if up { return value.isNegative ? truncated : truncated + 1 }
        return value.isNegative ? truncated - 1 : truncated
    }

    /// Non-negative integers from `low` to `high`, without leading zeros.
    private mutating func magnitudes(_ low: Int64, _ high: Int64, _ from: StateID, _ to: StateID) throws(GrammarError) {
        var start: Int64 = 0
        var end: Int64 = 9
        for _ in 0..<19 {
            if low <= end && high >= start {
                try digits(Self.digits(max(low, start)), Self.digits(min(high, end)), from, to)
            }
            guard high > end else { return }
            start = end + 1
            end = end < DecimalNumber.limit / 10 ? end * 10 + 9 : DecimalNumber.limit
        }
    }

    private static func digits(_ value: Int64) -> [UInt8] { String(value).utf8.map { $0 - 0x30 } }

    /// Digit strings between two of the same length.
    private mutating func digits(_ low: [UInt8], _ high: [UInt8], _ from: StateID, _ to: StateID) throws(GrammarError) {
        try comparedDigits(
            count: low.count, low: low, high: high, from: from
        ) { (builder, position, _, _, state) throws(GrammarError) in
            if position == low.count { try builder.epsilon(state, to) }
        }
    }

    /// Up to `count` digits, compared with bounds while they still agree with them. `reached` sees every state with the number
    /// of digits before it and whether they equal the beginning of each bound.
    private mutating func comparedDigits(
        count: Int, low: [UInt8]?, high: [UInt8]?, from: StateID,
        reached: (inout GrammarBuilder, Int, Bool, Bool, StateID) throws(GrammarError) -> Void
    ) throws(GrammarError) {
        struct Key: Hashable {
            var equalsLow: Bool
            var equalsHigh: Bool
        }
        var current = [Key(equalsLow: low != nil, equalsHigh: high != nil): from]
        for position in 0..<count {
            var next: [Key: StateID] = [:]
            for (key, state) in current.sorted(by: { $0.value < $1.value }) {
                let least = key.equalsLow ? Self.digit(low, position) : 0
                let most = key.equalsHigh ? Self.digit(high, position) : 9
                guard least <= most else { continue }
                for digit in least...most {
                    let target = Key(equalsLow: key.equalsLow && digit == least, equalsHigh: key.equalsHigh && digit == most)
                    if next[target] == nil { next[target] = try self.state() }
                    if let end = next[target] { try bytes(0x30 + digit, 0x30 + digit, state, end) }
                }
            }
            for (key, state) in next.sorted(by: { $0.value < $1.value }) {
                try reached(&self, position + 1, key.equalsLow, key.equalsHigh, state)
            }
            current = next
        }
    }

    private static func digit(_ digits: [UInt8]?, _ position: Int) -> UInt8 {
        guard let digits, position < digits.count else { return 0 }
        return digits[position]
    }

    /// Numbers from `low` to `high`, either of them open, without exponent.
    mutating func decimals(
        _ low: SchemaShape.Bound?, _ high: SchemaShape.Bound?, _ from: StateID, _ to: StateID
    ) throws(GrammarError) {
        let zero = SchemaShape.Bound(value: .zero, isExclusive: false)
        if high.map({ !$0.value.isNegative }) ?? true {
            let floor = low.flatMap { $0.value.isNegative ? nil : $0 } ?? zero
            try decimalMagnitudes(floor, high, from, to)
        }
        if low.map({ $0.value.isNegative }) ?? true {
            let minus = try state()
            try literal("-", from, minus)
            // Below zero, the bounds change places; zero itself is spelled without sign.
            let nearest = high.flatMap { $0.value.isNegative ? $0 : nil }.map {
                SchemaShape.Bound(value: $0.value.negated, isExclusive: $0.isExclusive)
            }
            let farthest = low.map { SchemaShape.Bound(value: $0.value.negated, isExclusive: $0.isExclusive) }
            try decimalMagnitudes(nearest ?? SchemaShape.Bound(value: .zero, isExclusive: true), farthest, minus, to)
        }
    }

    private mutating func decimalMagnitudes(
        _ low: SchemaShape.Bound, _ high: SchemaShape.Bound?, _ from: StateID, _ to: StateID
    ) throws(GrammarError) {
        let low = low.value == .zero && !low.isExclusive ? nil : low
        let high = high.flatMap { $0.value.integer < DecimalNumber.limit ? $0 : nil }
        let first = low?.value.integer ?? 0
        let last = high?.value.integer ?? max(Self.defaultLimit, first)
        guard first <= last, last < DecimalNumber.limit else { return }
        // With 15 digits in all, no fraction rounds up to a bound when it is read as a double.
        let count = high == nil ? Self.fractionDigits : max(1, Self.fractionDigits - Self.digits(last).count)
        if first == last { return try decimalPart(first, low, high, count, from, to) }
        try decimalPart(first, low, nil, count, from, to)
        if let high { try decimalPart(last, nil, high, count, from, to) }
        let innerLast = high == nil ? last : last - 1
        guard first < innerLast else { return }
        let point = try state()
        try magnitudes(first + 1, innerLast, from, point)
        try fraction(nil, nil, count, point, to)
    }

    /// Numbers with one integer part.
    private mutating func decimalPart(
        _ integer: Int64, _ low: SchemaShape.Bound?, _ high: SchemaShape.Bound?, _ count: Int, _ from: StateID, _ to: StateID
    ) throws(GrammarError) {
        let point = try state()
        try literal(String(integer), from, point)
        try fraction(low, high, count, point, to)
    }

    /// What follows the integer part, if anything; `count` digits at most unless a bound has more.
    private mutating func fraction(
        _ low: SchemaShape.Bound?, _ high: SchemaShape.Bound?, _ count: Int, _ from: StateID, _ to: StateID
    ) throws(GrammarError) {
        func isAllowed(_ count: Int, equalsLow: Bool, equalsHigh: Bool) -> Bool {
            if equalsLow, let low, count < low.value.fraction.count || low.isExclusive { return false }
            if equalsHigh, let high, count >= high.value.fraction.count && high.isExclusive { return false }
            return true
        }
        if isAllowed(0, equalsLow: low != nil, equalsHigh: high != nil) { try epsilon(from, to) }
        let longest = max(low?.value.fraction.count ?? 0, high?.value.fraction.count ?? 0)
        let point = try state()
        try literal(".", from, point)
        try comparedDigits(
            count: low == nil && high == nil ? count : max(min(6, count), longest + 1),
            low: low?.value.fraction, high: high?.value.fraction, from: point
        ) { (builder, count, equalsLow, equalsHigh, state) throws(GrammarError) in
            if isAllowed(count, equalsLow: equalsLow, equalsHigh: equalsHigh) { try builder.epsilon(state, to) }
        }
    }

    /// Any number, with an exponent that keeps it finite.
    mutating func anyNumber(_ from: StateID, _ to: StateID) throws(GrammarError) {
        let mantissa = try state()
        try decimals(nil, nil, from, mantissa)
        try epsilon(mantissa, to)
        let exponent = try state()
        let sign = try state()
        let digit = try state()
        for letter in "eE".utf8 { try bytes(letter, letter, mantissa, exponent) }
        for letter in "+-".utf8 { try bytes(letter, letter, exponent, sign) }
        try epsilon(exponent, sign)
        try bytes(0x30, 0x39, sign, digit)
        try epsilon(digit, to)
        try bytes(0x30, 0x39, digit, to)
    }
}
