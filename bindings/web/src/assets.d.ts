declare module "*.npz" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
