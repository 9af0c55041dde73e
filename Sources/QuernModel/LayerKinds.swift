// Which layers attend to everything, to a window or not at all, from the several keys that say so.
//
// Sources: the defaults of `layer_types` in transformers' configuration classes. Invariant: one kind per layer, and a window
// where a layer slides.
import QuernJSON

extension ModelConfig {
    /// `layer_types`, or what older files mean by other keys; and the window of sliding layers.
    func readLayerKinds(_ fields: ConfigFields) throws(ConfigError) -> (kinds: [LayerKind], window: Int?) {
        let isMistral = try fields.optionalString("model_type") == "mistral"
        let isWindowed = try fields.optionalBool("use_sliding_window") ?? isMistral
        let width = try fields.optionalInteger("sliding_window", in: 0...Limits.context) ?? 0
        let window = width > 0 ? width : nil
        let byDefault = try defaultLayerKinds(fields, isWindowed: isWindowed && window != nil)
        let kinds = try namedLayerKinds(fields) ?? byDefault
        guard kinds.contains(.sliding) else { return (kinds, nil) }
        guard window != nil else { throw fields.fail("sliding_window", "is missing, and some layers have one") }
        return (kinds, window)
    }

    private func namedLayerKinds(_ fields: ConfigFields) throws(ConfigError) -> [LayerKind]? {
        guard let value = fields["layer_types"] else { return nil }
        guard let list = value.arrayValue, list.count == layerCount else {
            throw fields.fail("layer_types", "is not a list of \(layerCount) names")
        }
        let allowed: [LayerKind] = architecture.isHybrid ? [.full, .sliding, .linear] : [.full, .sliding]
        var kinds: [LayerKind] = []
        for element in list {
            guard let kind = element.stringValue.flatMap(LayerKind.init(rawValue:)), allowed.contains(kind) else {
                let known = allowed.map(\.rawValue).joined(separator: ", ")
                throw fields.fail("layer_types", "holds \(element.serialized().prefix(64)); supported: \(known)")
            }
            kinds.append(kind)
        }
        return kinds
    }

    private func defaultLayerKinds(_ fields: ConfigFields, isWindowed: Bool) throws(ConfigError) -> [LayerKind] {
        let layers = 0..<layerCount
        if architecture.isHybrid {
            let interval = try fields.optionalInteger("full_attention_interval", in: 1...Limits.layers) ?? 4
            return layers.map { ($0 + 1) % interval == 0 ? .full : .linear }
        }
        guard isWindowed else { return layers.map { _ in .full } }
        let first = try fields.optionalInteger("max_window_layers", in: 0...Limits.layers) ?? 28
        switch architecture {
        case .qwen2, .qwen3: return layers.map { $0 >= first ? .sliding : .full }
        case .qwen2MoE: return layers.map { $0 % 2 == 0 && $0 < first ? .sliding : .full }
        default: return layers.map { _ in .sliding }
        }
    }
}
