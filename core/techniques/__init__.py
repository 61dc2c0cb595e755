"""Steps that several merging methods share: trimming, masks, spectra, moments, Frank-Wolfe, maps of linear layers."""
