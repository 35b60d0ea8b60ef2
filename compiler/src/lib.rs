//! Network to placement to image.
