// What the daemon is and does: /health, /version, /props, /metrics.
import Hummingbird
import NIOCore
import Quern
import QuernAPI
import QuernEngine
import QuernJSON
import QuernTemplate
import QuernTokenizer

extension Surface {
    func addOperations(to router: Router<QuernRequestContext>) {
        for path in ["health", "v1/health"] as [RouterPath] {
            router.get(path) { _, _ in
                guard models.isReady else {
                    throw APIError(status: 503, type: "unavailable_error", code: "loading", message: "the model is being loaded")
                }
                guard !models.isDraining else { throw APIError(RequestError.shuttingDown) }
                let stalled = engines.stalled
                guard stalled.isEmpty else {
                    throw APIError(
                        status: 503, type: "unavailable_error", code: "engine_stalled",
                        message: "the engine of \(stalled.joined(separator: ", ")) has work and does not get on; restart the daemon")
                }
                return Response(["status": "ok"])
            }
        }
        router.get("version") { _, _ in Response(["version": .string(version)]) }
        router.get("props") { request, _ in
            let name = request.uri.queryParameters["model"].map { String($0) }
            guard let model = await models.statuses.first(where: { name == nil || $0.specification.name == name })?.model else {
                throw APIError(
                    status: 404, type: "not_found_error", code: "model_not_loaded", param: "model", message: "the model is not loaded")
            }
            return Response(Backend(model: model, limits: limits, version: version, metrics: metrics).properties(device))
        }
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: PrometheusText.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metricsText(await models.statuses.compactMap(\.model)))))
        }
    }

    /// Sums over the loaded models; what an unloaded one had counted is gone with it.
    private func metricsText(_ loaded: [LoadedModel]) -> String {
        var text = PrometheusText()
        func sum(_ count: (EngineStatistics) -> Int) -> Double { Double(loaded.reduce(0) { $0 + count($1.statistics) }) }
        func sum(_ bytes: (ModelInfo) -> Int) -> Double { Double(loaded.reduce(0) { $0 + bytes($1.info) }) }
        text.family("build_info", .gauge, "Constant 1; what is running is in the labels.", loaded.map { model in
            ([("version", version), ("model", model.info.id), ("precision", model.info.precision.rawValue),
              ("instruction_set", model.info.instructionSet)], 1)
        })
        text.value("requests_running", .gauge, "Sequences being computed.", sum(\.runningSequences))
        text.value("requests_waiting", .gauge, "Sequences waiting for a slot.", sum(\.waitingSequences))
        text.value("preemptions_total", .counter, "Batch sequences interrupted for more urgent ones.", sum(\.preemptions))
        text.value("engine_steps_total", .counter, "Forward passes.", sum(\.steps))
        text.value("prompt_tokens_total", .counter, "Prompt tokens of finished sequences.", sum(\.promptTokens))
        text.value("cached_prompt_tokens_total", .counter, "Those of them that a cached prefix saved.", sum(\.cachedTokens))
        text.value("generation_tokens_total", .counter, "Tokens generated.", sum(\.generatedTokens))
        let blocks = max(1, sum(\.blockCount))
        text.value(
            "kv_cache_usage_ratio", .gauge, "Share of the blocks that sequences hold.", (blocks - sum(\.freeBlocks)) / blocks)
        text.value("kv_cache_blocks", .gauge, "Blocks of keys and values in all.", sum(\.blockCount))
        text.value("kv_cache_bytes", .gauge, "Memory set aside for keys and values.", sum(\.cacheBytes))
        text.value("prefix_cache_blocks", .gauge, "Free blocks that hold a prefix to use again.", sum(\.cachedBlocks))
        text.value("weights_bytes", .gauge, "Weights one step reads.", sum(\.weightBytes))
        func total(_ bytes: (EngineWork) -> Int) -> Double {
            loaded.reduce(0) { $0 + Double(UInt(bitPattern: bytes($1.statistics.work))) }
        }
        text.family("read_bytes_total", .counter, "Bytes that forward passes read.", [
            ([("kind", "weights")], total(\.weightBytesRead)), ([("kind", "state")], total(\.stateBytesRead)),
        ])
        text.value("written_bytes_total", .counter, "Keys, values and states that forward passes wrote.", total(\.stateBytesWritten))
        if let device {
            text.family("device_info", .gauge, "Constant 1; the device in use is in the labels.", [
                ([("device", device.id), ("paced", "\(device.isPaced)")], 1),
            ])
            text.value("device_read_bytes_per_second", .gauge, "What that device reads at most.", device.readBandwidth)
        }
        metrics.write(to: &text)
        let process = ProcessFigures()
        text.value("process_cpu_seconds_total", .counter, "Processor time used.", process.cpuSeconds, prefix: "")
        text.value("process_start_time_seconds", .gauge, "Start, in seconds since 1970.", started, prefix: "")
        if let bytes = process.residentBytes {
            text.value("process_resident_memory_bytes", .gauge, "Resident memory.", Double(bytes), prefix: "")
        }
        if let count = process.openDescriptors {
            text.value("process_open_fds", .gauge, "Open file descriptors.", Double(count), prefix: "")
        }
        return text.text
    }
}

extension Backend {
    /// llama.cpp's names where it has the same thing.
    fileprivate func properties(_ device: DeviceWalls?) -> JSONValue {
        let sampling = SamplingParameters(defaults: model.generationDefaults)
        func spelling(_ token: Int32?) -> JSONValue {
            token.flatMap { model.tokenizer?.bytes(of: $0) }.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null
        }
        return [
            "default_generation_settings": [
                "temperature": .double(Double(sampling.temperature)), "top_k": .int(Int64(sampling.topK)),
                "top_p": .double(Double(sampling.topP)), "min_p": .double(Double(sampling.minP)),
                "repetition_penalty": .double(Double(sampling.repetitionPenalty)), "n_ctx": .int(Int64(model.info.contextLength)),
            ],
            "total_slots": .int(Int64(model.sequenceLimit)), "model_path": .string(model.info.path),
            "model_alias": .string(model.info.id), "chat_template": model.chatTemplate.map { .string($0.source) } ?? .null,
            "chat_template_problem": model.chatTemplateProblem.map { .string($0) } ?? .null,
            "bos_token": spelling(model.tokenizer?.bosTokenID), "eos_token": spelling(model.tokenizer?.eosTokenID),
            "build_info": .string(version), "system_fingerprint": .string(fingerprint),
            "device": device?.json ?? .null,
        ]
    }
}
