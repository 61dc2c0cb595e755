"""Steps that several merging methods share: trimming, spectra, moments, depth, maps of linear layers."""
