// A DICOM SEG as OHIF reads it: by the adapters of Cornerstone3D, onto the images of its series.
//
//   node --input-type=module - SERIES SEG < cornerstone.mjs
//
// in a folder with the npm packages @cornerstonejs/adapters, core, tools and metadata 5.14.0, dcmjs 0.52.0, @kitware/vtk.js and
// @babel/runtime. Prints {segment: {SOPInstanceUID: [offsets of its pixels]}}. Called by dicom_objects.py.
import fs from "node:fs";
import path from "node:path";

Object.assign(globalThis, {window: globalThis, self: globalThis});
globalThis.document = {createElement: () => ({getContext: () => null, style: {}}), addEventListener() {}};
console.warn = () => {};
const {adaptersSEG} = await import("@cornerstonejs/adapters");
const {metaData} = await import("@cornerstonejs/core");
const {data, log} = (await import("dcmjs")).default;
log.setLevel("silent");

const [series, segmentation] = process.argv.slice(2);

function bytes(file) {
  const read = fs.readFileSync(file);
  return read.buffer.slice(read.byteOffset, read.byteOffset + read.length);
}

function parsed(file) {
  return data.DicomMetaDictionary.naturalizeDataset(data.DicomMessage.readFile(bytes(file)).dict);
}

const images = new Map(fs.readdirSync(series).map(name => [name, parsed(path.join(series, name))]));

function plane(image) {
  const orientation = image.ImageOrientationPatient.map(Number), spacing = image.PixelSpacing.map(Number);
  return {
    rows: image.Rows, columns: image.Columns, imageOrientationPatient: orientation,
    rowCosines: orientation.slice(0, 3), columnCosines: orientation.slice(3),
    imagePositionPatient: image.ImagePositionPatient.map(Number), pixelSpacing: spacing,
    rowPixelSpacing: spacing[0], columnPixelSpacing: spacing[1], frameOfReferenceUID: image.FrameOfReferenceUID,
  };
}

const modules = {
  instance: image => image,
  generalImageModule: image => ({sopInstanceUID: image.SOPInstanceUID}),
  generalSeriesModule: image => ({seriesInstanceUID: image.SeriesInstanceUID, modality: image.Modality}),
  imagePlaneModule: plane,
  imagePixelModule: image => ({
    bitsAllocated: image.BitsAllocated, bitsStored: image.BitsStored, highBit: image.HighBit, samplesPerPixel: 1,
    pixelRepresentation: image.PixelRepresentation, photometricInterpretation: image.PhotometricInterpretation,
  }),
};
const metadataProvider = {get: (module, name) => images.has(name) ? modules[module]?.(images.get(name)) : undefined};
metaData.addProvider(metadataProvider.get, 10000);

const {labelMapImages} = await adaptersSEG.Cornerstone3D.Segmentation.createFromDICOMSegBuffer(
  [...images.keys()], bytes(segmentation), {metadataProvider, tolerance: 1e-3});
const found = {};
for (const image of labelMapImages.flat()) {
  const uid = images.get(image.referencedImageId).SOPInstanceUID;
  image.voxelManager.getScalarData().forEach((segment, offset) => {
    if (segment) ((found[segment] ??= {})[uid] ??= []).push(offset);
  });
}
process.stdout.write(JSON.stringify(found));
