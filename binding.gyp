{
  # node-gyp's own rules know nothing of libtorch: this hands over to the CMake build, in a folder
  # of its own, since node-gyp wipes build/ and runs its make there.
  "targets": [
    {
      "target_name": "oxboard",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build-gyp/always-run-since-cmake-knows-what-changed"],
          "action": ["node", "scripts/build-native.mjs", "--out", "build-gyp"],
        }
      ],
    }
  ],
}
