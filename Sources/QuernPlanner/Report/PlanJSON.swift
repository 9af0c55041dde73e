// A plan as JSON. This is a contract: fields are added, never renamed or removed.
//
//   fits                 true, false, or null when the capacity is unknown
//   memory               weights, kv, recurrent, activations, reserve, total, budget: bytes over all chips
//   decode, prefill      tokens_per_second {low, expected, high} of all sequences together, bottleneck, seconds (of one step,
//                        of the prompts), terms[] {term, cause, amount, seconds}
//   request              seconds, seconds_range, tokens_per_second (prompt and answer over seconds),
//                        generated_per_second, terms[]
//   served               seconds_per_token {low, expected, high}: between tokens while other requests' prompts are computed
//   energy, cost         joules_per_token, per_million_tokens; null when power or price is unknown
//   capacities           [{sequences, context}]: the longest context that fits
//   bottleneck           of decoding: weights, KV cache, recurrent state, compute, launch overhead, link
//   sources              [{key, value, confidence, source}]: every fact the plan rests on
import QuernJSON
import QuernModel

extension Plan {
    public func json(watts: Double? = nil, pricePerHour: Double? = nil) -> JSONValue {
        var object = JSONObject()
        object.append("device", [
            "id": .string(profile.id), "name": .string(profile.name), "engine": engine.map { .string($0.name) } ?? .null,
            "chips": .int(Int64(load.chips)),
        ])
        object.append("model", [
            "type": .string(model.modelType), "parameters": .int(Int64(model.parameterCount)),
            "operations_per_token": .double(model.operationsPerToken), "precision": .string(load.format.name),
            "kv_bytes_per_token": .double(MemoryLedger.kvBytesPerToken(model, load)),
            "recurrent_bytes_per_sequence": .double(MemoryLedger.recurrentBytes(model)),
        ])
        object.append("load", [
            "input": .int(Int64(load.input)), "output": .int(Int64(load.output)), "batch": .int(Int64(load.batch)),
            "context": .int(Int64(load.reservedContext)), "parallel": .int(Int64(load.reservedSequences)),
        ])
        object.append("fits", memory.fits.map { .bool($0) } ?? .null)
        object.append("memory", memory.json)
        object.append("chips_needed", chipsNeeded.map { .int(Int64($0)) } ?? .null)
        object.append("capacities", .array(capacities.map { entry in
            ["sequences": .int(Int64(entry.sequences)), "context": .int(Int64(entry.context))]
        }))
        object.append("decode", Self.phase(decodeRate, step))
        object.append("prefill", Self.phase(prefillRate, prefill))
        object.append("request", [
            "seconds": .double(requestSeconds.expected), "seconds_range": requestSeconds.asTimes.json,
            "tokens_per_second": .double(requestRate),
            "generated_per_second": .double(Double(load.batch * load.output) / requestSeconds.expected),
            "terms": Self.terms(request),
        ])
        object.append("served", ["seconds_per_token": servedSecondsPerToken.asTimes.json])
        object.append("energy", ["joules_per_token": joulesPerToken(watts: watts).map { .double($0) } ?? .null])
        object.append(
            "cost", ["per_million_tokens": pricePerHour.map { .double(costPerMillion(pricePerHour: $0)) } ?? .null])
        object.append("bottleneck", .string(step.bottleneck.rawValue))
        object.append("sources", .array(facts.map { entry in
            [
                "key": .string(entry.key), "value": .string(entry.fact.description),
                "confidence": .string(entry.fact.confidence.rawValue), "source": .string(entry.fact.source),
            ]
        }))
        return .object(object)
    }

    private static func phase(_ rate: Estimate, _ cost: Cost) -> JSONValue {
        [
            "tokens_per_second": rate.json, "seconds": .double(cost.seconds), "bottleneck": .string(cost.bottleneck.rawValue),
            "terms": terms(cost),
        ]
    }

    private static func terms(_ cost: Cost) -> JSONValue {
        .array(cost.items.map { item in
            [
                "term": .string(item.term), "cause": .string(item.cause.rawValue), "amount": .double(item.amount),
                "seconds": .double(item.seconds),
            ]
        })
    }
}

extension MemoryLedger {
    var json: JSONValue {
        [
            "weights": .bytes(weights), "kv": .bytes(kv), "recurrent": .bytes(recurrent), "activations": .bytes(activations),
            "reserve": .bytes(reserve), "total": .bytes(total), "budget": budget.map { .bytes($0) } ?? .null,
        ]
    }
}

extension Estimate {
    /// Times run the other way: the slow scenario is the long one.
    var asTimes: Estimate { Estimate(low: min(low, high), expected: expected, high: max(low, high)) }

    var json: JSONValue { ["low": .double(low), "expected": .double(expected), "high": .double(high)] }
}

extension JSONValue {
    fileprivate static func bytes(_ count: Double) -> JSONValue { .int(Int64(exactly: count.rounded()) ?? .max) }
}
