"""VRMM: a volumetric relightable morphable head model.

After Yang et al., "VRMM: A Volumetric Relightable Morphable Head Model", 2024 (arXiv:2402.04101); the relightable
appearance decoder after Yang et al., "Towards Practical Capture of High-Fidelity Relightable Avatars" (TRAvatar), 2023;
the primitives after Lombardi et al., "Mixture of Volumetric Primitives", 2021. Written from the papers' texts.
Read the files in this order: config, blocks, anchors, mesh_decoder, identity_decoder, shading, light_branch,
volume_decoders, vrmm; then encoders, arkit_adaptor, losses. docs/volume.md tells what was chosen and why.
"""
