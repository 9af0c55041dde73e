// What the daemon is and does: /health, /version, /v1/models, /props, /metrics.
import Hummingbird
import NIOCore
import Quern
import QuernAPI
import QuernEngine
import QuernJSON
import QuernTemplate
import QuernTokenizer

extension Backend {
    func addOperations(to router: Router<QuernRequestContext>) {
        for path in ["health", "v1/health"] as [RouterPath] { router.get(path) { _, _ in Response(["status": "ok"]) } }
        router.get("version") { _, _ in Response(["version": .string(version)]) }
        router.get("v1/models") { _, _ in Response(["object": "list", "data": [modelObject]]) }
        router.get("v1/models/:id") { _, context in
            try checkModel(context.parameters.get("id") ?? "", param: "id")
            return Response(modelObject)
        }
        router.get("props") { _, _ in Response(properties) }
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: PrometheusText.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metricsText())))
        }
    }

    private var modelObject: JSONValue {
        let info = model.info
        return [
            "id": .string(info.id), "object": "model", "created": .int(Int64(info.created)), "owned_by": "quern",
            "meta": [
                "architecture": .string(info.architecture), "n_params": .int(Int64(info.parameterCount)),
                "n_ctx": .int(Int64(info.contextLength)), "n_vocab": .int(Int64(info.vocabularySize)),
                "n_embd": .int(Int64(model.embeddingWidth)),
                "precision": .string(info.precision.rawValue), "size": .int(Int64(info.weightBytes)),
                "format": .string(info.format), "instruction_set": .string(info.instructionSet),
                "threads": .int(Int64(info.threads)), "path": .string(info.path),
            ],
        ]
    }

    /// llama.cpp's names where it has the same thing.
    private var properties: JSONValue {
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
            "device": device.map { device in
                [
                    "name": .string(device.name), "read_gb_per_second": .double(device.readBandwidth / 1e9),
                    "gmac_per_second": .double(device.multiplyRate / 1e9),
                ]
            } ?? .null,
        ]
    }

    private func metricsText() -> String {
        var text = PrometheusText()
        let engine = model.statistics
        text.family("build_info", .gauge, "Constant 1; what is running is in the labels.", [
            ([("version", version), ("model", model.info.id), ("precision", model.info.precision.rawValue),
              ("instruction_set", model.info.instructionSet)], 1),
        ])
        text.value("requests_running", .gauge, "Sequences being computed.", Double(engine.runningSequences))
        text.value("requests_waiting", .gauge, "Sequences waiting for a slot.", Double(engine.waitingSequences))
        text.value("preemptions_total", .counter, "Batch sequences interrupted for more urgent ones.", Double(engine.preemptions))
        text.value("engine_steps_total", .counter, "Forward passes.", Double(engine.steps))
        text.value("prompt_tokens_total", .counter, "Prompt tokens of finished sequences.", Double(engine.promptTokens))
        text.value("cached_prompt_tokens_total", .counter, "Those of them that a cached prefix saved.", Double(engine.cachedTokens))
        text.value("generation_tokens_total", .counter, "Tokens generated.", Double(engine.generatedTokens))
        let used = engine.blockCount - engine.freeBlocks
        text.value(
            "kv_cache_usage_ratio", .gauge, "Share of the blocks that sequences hold.", Double(used) / Double(max(1, engine.blockCount)))
        text.value("kv_cache_blocks", .gauge, "Blocks of keys and values in all.", Double(engine.blockCount))
        text.value("kv_cache_bytes", .gauge, "Memory set aside for keys and values.", Double(model.info.cacheBytes))
        text.value("prefix_cache_blocks", .gauge, "Free blocks that hold a prefix to use again.", Double(engine.cachedBlocks))
        text.value("weights_bytes", .gauge, "Weights one step reads.", Double(model.info.weightBytes))
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
