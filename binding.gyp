{
  # node-gyp (and so prebuildify) builds through the same script as everything else; sources are listed in CMakeLists.txt only.
  'targets': [
    {
      'target_name': 'dlrm',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          'inputs': ['CMakeLists.txt'],
          'outputs': ['<(module_root_dir)/build/Release/dlrm.node'],
          'action': ['node', '<(module_root_dir)/scripts/build-native.mjs'],
        },
      ],
    },
  ],
}
