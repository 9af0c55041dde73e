// Chooses the next token of one sequence from its logits.
//
// Owns: the random stream and the candidate buffers. Order: penalties, logit bias, temperature, top-k, top-p, min-p,
// draw. Invariants: the draw depends only on the logits, the parameters and how many tokens were drawn before; nothing
// allocates after `init` except the first growth of the candidate buffer.
import Foundation
import QuernTensor

package struct Sampler {
    private struct Candidate {
        var token: Int32
        var weight: Float   // first the logit, then the unnormalised probability
    }

    private let parameters: SamplingParameters
    private var counts: TokenCounts?
    private var random: RandomSource
    private var candidates: [Candidate] = []

    /// - Parameter tokenCount: number of logits; every prompt token is below it.
    package init(_ parameters: SamplingParameters, tokenCount: Int, prompt: [TokenID]) {
        self.parameters = parameters
        random = RandomSource(seed: parameters.seed ?? UInt64.random(in: 0 ... .max))
        if parameters.usesPenalties { counts = TokenCounts(tokenCount: tokenCount, prompt: prompt) }
    }

    /// The choice falls among a few of the likeliest tokens.
    var isSelective: Bool { parameters.isGreedy || parameters.topK > 0 }

    /// The chosen token; nil when the logits are not finite. `logits` is scratch afterwards.
    package mutating func sample(_ logits: Floats, kernels: Kernels) -> TokenID? {
        var free: Guide?
        return sample(logits, kernels: kernels, under: &free, stopTokens: [])
    }

    /// The same among the tokens that `guide` allows, which is asked about those that could be chosen, and no others.
    mutating func sample(_ logits: Floats, kernels: Kernels, under guide: inout Guide?, stopTokens: Set<TokenID>) -> TokenID? {
        counts?.penalize(logits, parameters)
        for (token, bias) in parameters.logitBias { logits[Int(token)] += bias }
        guard var best = kernels.argmax(logits) else { return nil }
        if guide?.allows(TokenID(best), stopTokens: stopTokens) == false {
            guard let allowed = likeliest(logits, &guide, stopTokens) else { return nil }
            best = allowed
        }
        let token = parameters.isGreedy ? TokenID(best) : draw(logits, best: logits[best], kernels: kernels, &guide, stopTokens)
        counts?.add(token)
        return token
    }

    /// The likeliest token that is allowed, the first of equals.
    private func likeliest(_ logits: Floats, _ guide: inout Guide?, _ stopTokens: Set<TokenID>) -> Int? {
        let buffer = logits.buffer
        var best: Int?
        var highest = -Float.infinity
        for index in 0..<buffer.count where buffer[index] > highest {
            guard guide?.allows(TokenID(index), stopTokens: stopTokens) == true else { continue }
            best = index
            highest = buffer[index]
        }
        return best
    }

    /// Counts a token that was not drawn, for the penalties.
    mutating func note(_ token: TokenID) { counts?.add(token) }

    private mutating func draw(
        _ logits: Floats, best: Float, kernels: Kernels, _ guide: inout Guide?, _ stopTokens: Set<TokenID>
    ) -> TokenID {
        collect(logits, best: best, kernels: kernels, &guide, stopTokens)
        if parameters.topK > 0 { keepTopK() }
        let inverse = 1 / parameters.temperature
        for index in candidates.indices { candidates[index].weight = exp((candidates[index].weight - best) * inverse) }
        if parameters.topP < 1 { keepTopP() }
        if parameters.minP > 0 {
            let floor = parameters.minP
            candidates.removeAll { $0.weight < floor }   // the best candidate's weight is 1
        }
        var target = random.unit() * mass()
        for candidate in candidates {
            target -= Double(candidate.weight)
            if target < 0 { return candidate.token }
        }
        return candidates.last?.token ?? 0
    }

    /// Candidates in token order; those whose weight rounds to zero are left out.
    private mutating func collect(
        _ logits: Floats, best: Float, kernels: Kernels, _ guide: inout Guide?, _ stopTokens: Set<TokenID>
    ) {
        let buffer = logits.buffer
        candidates.removeAll(keepingCapacity: true)
        var floor = best - 88 * parameters.temperature     // exp(-88) is about the smallest normal float
        var index = -1
        while true {
            index += 1
            if index < buffer.count, buffer[index] < floor { index = kernels.firstIndex(in: logits, from: index, atLeast: floor) }
            guard index < buffer.count else { return }
            if guide != nil, guide?.allows(TokenID(index), stopTokens: stopTokens) != true { continue }
            candidates.append(Candidate(token: Int32(index), weight: buffer[index]))
            // With a top-k, the k-th best so far bounds what can still matter.
            if parameters.topK > 0 && candidates.count >= 4 * parameters.topK + 64 {
                keepTopK()
                floor = max(floor, candidates[candidates.count - 1].weight)
            }
        }
    }

    private mutating func keepTopK() {
        sortDescending()
        if candidates.count > parameters.topK { candidates.removeLast(candidates.count - parameters.topK) }
    }

    /// Cuts to the smallest set that reaches top-p. Only the likely head is sorted: its size is found by lowering a
    /// threshold until the head alone holds enough probability.
    private mutating func keepTopP() {
        let wanted = Double(parameters.topP) * mass()
        var threshold: Float = 1.0 / 256
        while threshold > 0 {
            let head = candidates.reduce(0.0) { $1.weight >= threshold ? $0 + Double($1.weight) : $0 }
            if head >= wanted { break }
            threshold /= 64
        }
        candidates.removeAll { $0.weight < threshold }
        sortDescending()
        var sum = 0.0
        for index in candidates.indices {
            sum += Double(candidates[index].weight)
            if sum >= wanted {
                candidates.removeLast(candidates.count - 1 - index)
                return
            }
        }
    }

    /// By weight, ties by token, so that the order never depends on the sort.
    private mutating func sortDescending() {
        candidates.sort { $0.weight > $1.weight || ($0.weight == $1.weight && $0.token < $1.token) }
    }

    private func mass() -> Double { candidates.reduce(0.0) { $0 + Double($1.weight) } }
}
