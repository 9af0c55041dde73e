// Reports as JSON, and back: the format that `quern bench --help` documents.
import QuernJSON

extension BenchReport {
    public var json: JSONValue {
        var object = JSONObject()
        object.append("model", .string(subject.model))
        object.append("digest", .string(subject.digest))
        object.append("precision", .string(subject.precision))
        object.append("kv", .string(subject.keyValueFormat))
        object.append("threads", subject.threads.map { .int(Int64($0)) } ?? .null)
        object.append("instruction_set", .string(subject.instructionSet))
        object.append("weight_bytes", subject.weightBytes.map { .int(Int64($0)) } ?? .null)
        object.append("processor", .string(subject.processor))
        object.append("version", .string(subject.version))
        object.append("date", .string(subject.date))
        if let walls {
            object.append(
                "walls",
                [
                    "read_gb_per_second": .double(walls.readBandwidth / 1e9), "gmac_per_second": .double(walls.multiplyRate / 1e9),
                    "clock_ghz": .double(walls.clock / 1e9),
                ])
        }
        object.append(
            "noise",
            [
                "stolen": .double(company.noise.stolen), "throttled": .double(company.noise.throttled),
                "others": .double(company.noise.others), "repeated_rounds": .int(Int64(company.repeatedRounds)),
                "noisy_rounds": .int(Int64(company.noisyRounds)),
            ])
        object.append("results", .array(series.map(json) + loads.map(\.json)))
        return .object(object)
    }

    private func json(_ series: BenchSeries) -> JSONValue {
        var object = JSONObject()
        object.append("kind", .string(series.key.kind.rawValue))
        object.append("tokens", .int(Int64(series.key.tokens)))
        object.append("depth", .int(Int64(series.key.depth)))
        object.append("batch", .int(Int64(series.key.batch)))
        object.append("tokens_per_second", .double(series.tokensPerSecond))
        object.append("runs", .array(series.runs.map { .double($0) }))
        if let rate = series.bytesPerSecond { object.append("gigabytes_per_second", .double(rate / 1e9)) }
        if let rate = series.multipliesPerSecond { object.append("gmac_per_second", .double(rate / 1e9)) }
        if let share = series.wallShare { object.append("wall_share", .double(share)) }
        return .object(object)
    }

    /// Reads what `json` wrote. Loads are left out: their requests are not in the file.
    ///
    /// - Throws: naming the member that is missing or wrong.
    public init(_ json: JSONValue) throws(MeasureError) {
        guard let results = json["results"]?.arrayValue else {
            throw MeasureError("/results is not a list: is this a report of `quern bench`?")
        }
        var subject = Subject()
        subject.model = json["model"]?.stringValue ?? ""
        subject.digest = json["digest"]?.stringValue ?? ""
        subject.precision = json["precision"]?.stringValue ?? ""
        subject.keyValueFormat = json["kv"]?.stringValue ?? ""
        subject.threads = json["threads"]?.intValue.flatMap { Int(exactly: $0) }
        subject.instructionSet = json["instruction_set"]?.stringValue ?? ""
        subject.weightBytes = json["weight_bytes"]?.intValue.flatMap { Int(exactly: $0) }
        subject.processor = json["processor"]?.stringValue ?? ""
        subject.version = json["version"]?.stringValue ?? ""
        subject.date = json["date"]?.stringValue ?? ""
        var walls: BenchWalls?
        if let bandwidth = json["walls"]?["read_gb_per_second"]?.doubleValue {
            walls = BenchWalls(
                readBandwidth: bandwidth * 1e9, multiplyRate: (json["walls"]?["gmac_per_second"]?.doubleValue ?? 0) * 1e9,
                clock: (json["walls"]?["clock_ghz"]?.doubleValue ?? 0) * 1e9)
        }
        var company = Company()
        if let noise = json["noise"] {
            company.noise = HostNoise(
                stolen: noise["stolen"]?.doubleValue ?? 0, throttled: noise["throttled"]?.doubleValue ?? 0,
                others: noise["others"]?.doubleValue ?? 0)
            company.repeatedRounds = Int(noise["repeated_rounds"]?.intValue ?? 0)
            company.noisyRounds = Int(noise["noisy_rounds"]?.intValue ?? 0)
        }
        var series: [BenchSeries] = []
        for (index, result) in results.enumerated() where result["kind"] != "load" {
            series.append(try Self.series(result, "/results/\(index)"))
        }
        self.init(subject: subject, walls: walls, company: company, series: series)
    }

    private static func series(_ json: JSONValue, _ path: String) throws(MeasureError) -> BenchSeries {
        func count(_ key: String, or fallback: Int?) throws(MeasureError) -> Int {
            guard let value = json[key]?.intValue ?? fallback.map({ Int64($0) }), let count = Int(exactly: value), count >= 0 else {
                throw MeasureError("\(path)/\(key) is not a count")
            }
            return count
        }
        guard let kind = json["kind"]?.stringValue.flatMap({ BenchSeries.Kind(rawValue: $0) }) else {
            throw MeasureError("\(path)/kind is not prefill, decode or load")
        }
        let key = BenchSeries.Key(
            kind: kind, tokens: try count("tokens", or: nil), depth: try count("depth", or: 0), batch: try count("batch", or: 1))
        let runs = (json["runs"]?.arrayValue ?? []).compactMap(\.doubleValue).filter { $0.isFinite && $0 > 0 }
        guard (1...RankSumTest.maxRuns).contains(runs.count), runs.count == json["runs"]?.arrayValue?.count else {
            throw MeasureError("\(path)/runs is not a list of 1 to \(RankSumTest.maxRuns) rates above 0")
        }
        func perToken(_ name: String) -> Double? { json[name]?.doubleValue.map { $0 * 1e9 / runs.median } }
        return BenchSeries(
            key, runs: runs, bytesPerToken: perToken("gigabytes_per_second"), multipliesPerToken: perToken("gmac_per_second"),
            wallShare: json["wall_share"]?.doubleValue)
    }
}

extension LoadResult {
    /// One member of `results`, of kind `load`.
    public var json: JSONValue {
        var object = JSONObject()
        object.append("kind", "load")
        object.append("arrivals", .string(arrivals.name))
        switch arrivals {
        case .closed(let concurrency): object.append("concurrency", .int(Int64(concurrency)))
        case .poisson(let rate): object.append("requests_per_second_offered", .double(rate))
        case .trace(let name, let speed, let lengths):
            object.append("trace", .string(name))
            object.append("speed", .double(speed))
            object.append("lengths", .double(lengths))
        }
        object.append("requests", .int(Int64(records.count)))
        object.append("failed", .int(Int64(failed)))
        object.append("duration_seconds", .double(duration))
        object.append("prompt_tokens", .int(Int64(promptTokens)))
        object.append("cached_tokens", .int(Int64(cachedTokens)))
        object.append("output_tokens", .int(Int64(outputTokens)))
        object.append("requests_per_second", .double(requestRate))
        object.append("tokens_per_second", .double(outputRate))
        for (name, figures) in [("ttft_ms", timeToFirst), ("itl_ms", gaps), ("tpot_ms", timePerToken), ("e2el_ms", wholeTime)] {
            object.append(
                name,
                [
                    "mean": .double(figures.mean * 1000), "p50": .double(figures.median * 1000), "p90": .double(figures.p90 * 1000),
                    "p95": .double(figures.p95 * 1000), "p99": .double(figures.p99 * 1000),
                ])
        }
        if let target, let good, let goodput {
            object.append("target", .string(target.text))
            object.append("good_requests", .int(Int64(good)))
            object.append("goodput", .double(goodput))
        }
        return .object(object)
    }
}
