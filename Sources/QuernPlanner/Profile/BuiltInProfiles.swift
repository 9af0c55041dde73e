// The profiles that come with quern: the files of Profiles/, embedded in the binary.

extension DeviceProfile {
    private static let files: [(id: String, bytes: [UInt8])] = [
        ("zhenwu-810e", PackageResources.zhenwu_810e_profile),
        ("zhenwu-810e-as-stated", PackageResources.zhenwu_810e_as_stated_profile),
        ("h20-96gb", PackageResources.h20_96gb_profile), ("h20-141gb", PackageResources.h20_141gb_profile),
        ("h200", PackageResources.h200_profile), ("h100", PackageResources.h100_profile),
        ("a100-80gb", PackageResources.a100_80gb_profile), ("a800-80gb", PackageResources.a800_80gb_profile),
        ("l20", PackageResources.l20_profile), ("ascend-910b", PackageResources.ascend_910b_profile),
        ("mi308x", PackageResources.mi308x_profile), ("apple-m4", PackageResources.apple_m4_profile),
        ("apple-m4-pro", PackageResources.apple_m4_pro_profile), ("apple-m4-max", PackageResources.apple_m4_max_profile),
        ("apple-m3-ultra", PackageResources.apple_m3_ultra_profile), ("apple-m5", PackageResources.apple_m5_profile),
        ("apple-m5-max", PackageResources.apple_m5_max_profile), ("epyc-9004", PackageResources.epyc_9004_profile),
        ("epyc-9005", PackageResources.epyc_9005_profile),
    ]

    public static var builtInNames: [String] { files.map(\.id) }

    /// The built-in profile of that name; nil when there is none.
    public static func builtIn(_ id: String) throws(ProfileError) -> DeviceProfile? {
        guard let file = files.first(where: { $0.id == id }) else { return nil }
        return try DeviceProfile(parsing: file.bytes, id: id, file: "built-in profile \(id)")
    }
}
